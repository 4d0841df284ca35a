"""python -m unittest leading_keys_test: which partitions a call names."""

import unittest

from leading_keys import leading_keys, tables_of

TABLE = {"KeySchema": [{"AttributeName": "sk", "KeyType": "RANGE"}, {"AttributeName": "pk", "KeyType": "HASH"}]}


def key(pk: str) -> dict:
    return {"pk": {"S": pk}, "sk": {"S": "any"}}


def named(operation: str, request: dict) -> list:
    return [leading_keys(operation, asked, TABLE) for _, asked in tables_of(request)]


class LeadingKeys(unittest.TestCase):
    def test_of_one_item(self):
        self.assertEqual(named("PutItem", {"TableName": "t", "Item": {**key("a"), "more": {"N": "1"}}}), [["a"]])
        for operation in ("GetItem", "DeleteItem", "UpdateItem"):
            self.assertEqual(named(operation, {"TableName": "t", "Key": key("a")}), [["a"]])

    def test_of_all_items_of_a_batch(self):
        self.assertEqual(named("BatchGetItem", {"RequestItems": {"t": {"Keys": [key("a"), key("b")]}}}), [["a", "b"]])
        writes = [{"PutRequest": {"Item": key("a")}}, {"DeleteRequest": {"Key": key("b")}}]
        self.assertEqual(named("BatchWriteItem", {"RequestItems": {"t": writes, "arn:aws:x/u": writes[:1]}}), [["a", "b"], ["a"]])

    def test_of_a_query(self):
        asked = {"KeyConditionExpression": "pk = :pk AND sk BETWEEN :from AND :to", "ExpressionAttributeValues": {
            ":from": {"S": "f"}, ":pk": {"S": "a"}, ":to": {"S": "t"}}}
        self.assertEqual(named("Query", {"TableName": "arn:aws:x/t", **asked}), [["a"]])

    def test_a_scan_names_none(self):
        self.assertEqual(named("Scan", {"TableName": "t"}), [[]])


if __name__ == "__main__":
    unittest.main()

"""python -m unittest iam_context_test: which partitions a call names."""

import unittest

from iam_context import leading_keys


def key(pk: str) -> dict:
    return {"pk": {"S": pk}, "sk": {"S": "any"}}


def named(request: dict) -> list:
    return leading_keys(request, lambda table: "pk")


class LeadingKeys(unittest.TestCase):
    def test_of_one_item(self):
        self.assertEqual(named({"TableName": "t", "Item": {**key("a"), "more": {"N": "1"}}}), ["a"])
        self.assertEqual(named({"TableName": "t", "Key": key("a")}), ["a"])

    def test_of_all_items_of_a_batch(self):
        self.assertEqual(named({"RequestItems": {"t": {"Keys": [key("a"), key("b")]}}}), ["a", "b"])
        writes = [{"PutRequest": {"Item": key("a")}}, {"DeleteRequest": {"Key": key("b")}}]
        self.assertEqual(named({"RequestItems": {"t": writes, "arn:aws:x/u": writes[:1]}}), ["a", "b", "a"])

    def test_of_a_query(self):
        asked = {"KeyConditionExpression": "pk = :pk AND sk BETWEEN :from AND :to", "ExpressionAttributeValues": {
            ":from": {"S": "f"}, ":pk": {"S": "a"}, ":to": {"S": "t"}}}
        self.assertEqual(named({"TableName": "t", **asked}), ["a"])

    def test_a_scan_names_none(self):
        self.assertEqual(named({"TableName": "t"}), [])


if __name__ == "__main__":
    unittest.main()

"""python -m unittest key_conditions_test: what is read once answers as what is read each time."""

import unittest

import key_conditions
from ministack.services import dynamodb

ITEMS = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk in ("a", "b") for sk in ("1", "15", "2", "3")]
CONDITIONS = [
    "pk = :pk",
    "pk = :pk AND sk > :low",
    "#pk = :pk AND begins_with(sk, :low)",
    "pk = :pk AND sk BETWEEN :low AND :high",
    "pk = :missing",
    "pk = :pk AND",
    "pk LIKE :pk",
]
VALUES = [{":pk": {"S": pk}, ":low": {"S": "1"}, ":high": {"S": "2"}} for pk in ("a", "b")]
CALLS = [(expr, item, values) for expr in CONDITIONS for values in VALUES for item in ITEMS]


def answer(expr: str, item: dict, values: dict):
    try:
        return dynamodb._evaluate_condition(expr, item, values, {"#pk": "pk"}, slot=key_conditions.SLOT)
    except ValueError as refused:
        return str(refused)


class KeyConditions(unittest.TestCase):
    def test_answers_as_before_and_reads_each_text_once(self):
        original, check = dynamodb._evaluate_condition, dynamodb._condition_syntax_error
        checked = []
        expected = [answer(*call) for call in CALLS]
        key_conditions.install()
        dynamodb._condition_syntax_error = lambda expr, slot: checked.append(expr) or check(expr, slot)
        try:
            self.assertEqual([answer(*call) for call in CALLS], expected)
            self.assertEqual([checked.count(expr) for expr in CONDITIONS[:4]], [1, 1, 1, 1])
        finally:
            dynamodb._evaluate_condition, dynamodb._condition_syntax_error = original, check
        self.assertEqual({type(each) for each in expected}, {bool, str})


if __name__ == "__main__":
    unittest.main()

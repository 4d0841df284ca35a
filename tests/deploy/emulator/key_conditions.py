"""ministack reads a query's key condition anew for each item of its partition, which is three quarters of its time where events are
read back. Here the text of a condition is read once."""

from ministack.services import dynamodb

SLOT = "KeyConditionExpression"
TEXTS_MAX = 10_000


def install() -> None:
    original = dynamodb._evaluate_condition
    tokens_of: dict[str, list] = {}

    def evaluate(expr, item, attr_values, attr_names, slot="ConditionExpression"):
        if slot == SLOT and expr in tokens_of:
            try:
                return dynamodb._ExprEval(tokens_of[expr], item, attr_values, attr_names).evaluate()
            except Exception:
                pass  # The original says it in AWS's words.
        fits = original(expr, item, attr_values, attr_names, slot)
        if slot == SLOT and len(tokens_of) < TEXTS_MAX:
            tokens_of[expr] = dynamodb._tokenize(expr)
        return fits

    dynamodb._evaluate_condition = evaluate

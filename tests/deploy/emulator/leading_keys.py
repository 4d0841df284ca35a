"""The condition key dynamodb:LeadingKeys, which ministack does not know: the values of the partition keys of all that a call names,
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
"""

import json
import re

from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import dynamodb


def install() -> None:
    original = dynamodb.handle_request

    async def handle(method, path, headers, body, query):
        operation = headers.get("x-amz-target", "").split(".")[-1]
        request = json.loads(body) if body else {}
        for name, asked in tables_of(request):
            table = dynamodb._tables.get(name)
            keys = leading_keys(operation, asked, table) if table else []
            if not keys:
                continue
            action, context = f"dynamodb:{operation}", {"dynamodb:LeadingKeys": keys}
            caller = extract_access_key_id(headers, query)
            if iam_evaluator.enforce(caller, action, "dynamodb", get_region(), table["TableArn"], context) is not None:
                shown = ", ".join(keys).replace("\0", "|")
                return error_response_json("AccessDeniedException", f"The caller is not authorized to perform {action} on {shown}", 400)
        return await original(method, path, headers, body, query)

    dynamodb.handle_request = handle


def tables_of(request: dict) -> list:
    """Names, each with what is asked of it."""
    if "TableName" in request:
        return [(request["TableName"].rsplit("/", 1)[-1], request)]
    return [(name.rsplit("/", 1)[-1], asked) for name, asked in request.get("RequestItems", {}).items()]


def leading_keys(operation: str, asked, table: dict) -> list:
    key = partition_key(table["KeySchema"])
    if operation == "PutItem":
        named = [asked["Item"]]
    elif operation in ("GetItem", "DeleteItem", "UpdateItem"):
        named = [asked["Key"]]
    elif operation == "BatchGetItem":
        named = asked["Keys"]
    elif operation == "BatchWriteItem":
        named = [each["PutRequest"]["Item"] if "PutRequest" in each else each["DeleteRequest"]["Key"] for each in asked]
    elif operation == "Query":
        return [queried(asked)]
    else:
        return []
    return [next(iter(item[key].values())) for item in named]


def queried(asked: dict) -> str:
    """A query names one partition, by equality: API_Query.html, KeyConditionExpression. Ours name it first."""
    value = re.match(r"\s*#?\w+\s*=\s*(:\w+)", asked["KeyConditionExpression"])[1]
    return next(iter(asked["ExpressionAttributeValues"][value].values()))


def partition_key(schema: list) -> str:
    return next(each["AttributeName"] for each in schema if each["KeyType"] == "HASH")

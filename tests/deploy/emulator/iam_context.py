"""What ministack does not know of a request when it asks whether the caller may make it.

  dynamodb:LeadingKeys   the values of the partition keys of all that the call names:
                         https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
  kinesis:GetRecords     is granted on a stream, also when only an iterator of one of its shards is named:
                         https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonkinesisdatastreams.html
"""

import json
import re

from ministack.core import iam_actions
from ministack.services import dynamodb, kinesis


def install() -> None:
    context_of = iam_actions.dynamodb_service_context
    arn_of = iam_actions.extract_resource_arn

    def with_leading_keys(body):
        context = context_of(body)
        keys = leading_keys(json.loads(body or b"{}"), partition_key)
        return {**context, "dynamodb:LeadingKeys": keys} if keys else context

    def with_iterator(service, method, path, headers, body, query_params, region, account_id):
        arn = arn_of(service, method, path, headers, body, query_params, region, account_id)
        if service != "kinesis" or arn != "*":
            return arn
        iterator = kinesis._shard_iterators.get(json.loads(body or b"{}").get("ShardIterator"))
        return f"arn:aws:kinesis:{region}:{account_id}:stream/{iterator['stream']}" if iterator else arn

    iam_actions.dynamodb_service_context = with_leading_keys
    iam_actions.extract_resource_arn = with_iterator


def leading_keys(request: dict, key_of) -> list:
    """`key_of` gives the name of a table's partition key. A scan names no partition."""
    if "RequestItems" in request:
        return [key for table, asked in request["RequestItems"].items() for key in keys_of_batch(asked, key_of(table))]
    if "KeyConditionExpression" in request:
        return [queried(request)]
    named = request.get("Item") or request.get("Key")
    return [value_of(named[key_of(request["TableName"])])] if named else []


def keys_of_batch(asked, key: str) -> list:
    if isinstance(asked, dict):
        return [value_of(each[key]) for each in asked["Keys"]]
    named = [each["PutRequest"]["Item"] if "PutRequest" in each else each["DeleteRequest"]["Key"] for each in asked]
    return [value_of(each[key]) for each in named]


def queried(request: dict) -> str:
    """A query names one partition, by equality: API_Query.html, KeyConditionExpression. Ours name it first."""
    value = re.match(r"\s*#?\w+\s*=\s*(:\w+)", request["KeyConditionExpression"])[1]
    return value_of(request["ExpressionAttributeValues"][value])


def value_of(attribute: dict) -> str:
    return next(iter(attribute.values()))


def partition_key(table: str) -> str:
    schema = dynamodb._tables[table.rsplit("/", 1)[-1]]["KeySchema"]
    return next(each["AttributeName"] for each in schema if each["KeyType"] == "HASH")

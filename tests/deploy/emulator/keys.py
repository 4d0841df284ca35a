"""What AWS asks of a key on behalf of the caller, and ministack does not: who may call a service whose data is encrypted with
a customer's key must also be allowed to use the key, by its own policy and the key's.

  Kinesis          https://docs.aws.amazon.com/streams/latest/dev/permissions-user-key-KMS.html
  DynamoDB         https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
  S3               https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
  Secrets Manager  https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
"""

import json

from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import dynamodb, kinesis, kms, s3, secretsmanager

DATA_OF_TABLES = frozenset((
    "PutItem", "GetItem", "DeleteItem", "UpdateItem", "Query", "Scan", "BatchWriteItem", "BatchGetItem", "TransactWriteItems",
    "TransactGetItems",
))


# The keys with which buckets and tables encrypt, as resource_types.py saw them made.
key_of_bucket: dict[str, str] = {}
key_of_table: dict[str, str] = {}


def install() -> None:
    guard_buckets()
    guard(kinesis, "kinesis", "kms:GenerateDataKey", key_of_put, "KMSAccessDeniedException")
    guard(dynamodb, "dynamodb", "kms:Decrypt", keys_of_tables, "AccessDeniedException")
    guard(secretsmanager, "secretsmanager", "kms:Decrypt", key_of_secret, "AccessDeniedException")


def key_of_put(operation: str, request: dict) -> list:
    if operation not in ("PutRecord", "PutRecords"):
        return []
    _, stream = kinesis._resolve_stream(request)
    return [(stream or {}).get("KeyId")]


def keys_of_tables(operation: str, request: dict) -> list:
    if operation not in DATA_OF_TABLES:
        return []
    names = [request.get("TableName"), *request.get("RequestItems", {})]
    names += [part.get("TableName") for each in request.get("TransactItems", []) for part in each.values()]
    return [key_of_table.get(name.rsplit("/", 1)[-1]) for name in names if name]


def key_of_secret(operation: str, request: dict) -> list:
    if operation != "GetSecretValue":
        return []
    _, secret = secretsmanager._resolve(request.get("SecretId", ""))
    return [(secret or {}).get("KmsKeyId")]


def may_use(caller: str, action: str, key: str, via: str) -> bool:
    record = kms._resolve_key(key)
    if not record:  # one of AWS's own, which needs no permission
        return True
    context = {"kms:ViaService": f"{via}.{get_region()}.amazonaws.com", "kms:CallerAccount": record["Arn"].split(":")[4]}
    return iam_evaluator.enforce(caller, action, "kms", get_region(), record["Arn"], context) is None


def guard(service, name: str, action: str, keys_of, error: str) -> None:
    original = service.handle_request

    async def handle(method, path, headers, body, query):
        operation = headers.get("x-amz-target", "").split(".")[-1]
        caller = extract_access_key_id(headers, query)
        for key in set(filter(None, keys_of(operation, json.loads(body) if body else {}))):
            if not may_use(caller, action, key, name):
                return error_response_json(error, f"The caller is not authorized to perform {action} on {key}", 400)
        return await original(method, path, headers, body, query)

    service.handle_request = handle


def guard_buckets() -> None:
    original = s3.handle_request

    async def handle(method, path, headers, body, query_params, *rest, **options):
        bucket, _, name = path.lstrip("/").partition("/")
        key = key_of_bucket.get(bucket)
        if key and name and method in ("PUT", "GET"):
            action = "kms:GenerateDataKey" if method == "PUT" else "kms:Decrypt"
            if not may_use(extract_access_key_id(headers, query_params), action, key, "s3"):
                text = f"<Error><Code>AccessDenied</Code><Message>not authorized to perform {action} on {key}</Message></Error>"
                return 403, {"Content-Type": "application/xml"}, text.encode()
        return await original(method, path, headers, body, query_params, *rest, **options)

    s3.handle_request = handle

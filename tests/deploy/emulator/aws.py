"""Calls of the emulator's own services, as the role of a function or as the administrator, and what a role may do."""

import os

import botocore.session
from botocore.config import Config
from ministack.core import iam_evaluator
from ministack.core.lambda_runtime import execution_credentials
from ministack.core.responses import get_region

ENDPOINT = f"https://127.0.0.1:{os.environ.get('GATEWAY_PORT', '4566')}"
_ADMINISTRATOR = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": None}


def _client(service: str, credentials: dict, region: str):
    return botocore.session.get_session().create_client(
        service,
        region_name=region,
        endpoint_url=ENDPOINT,
        verify=os.environ["MINISTACK_SSL_CERT"],
        aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=credentials["AWS_SESSION_TOKEN"],
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def administrator(service: str):
    return _client(service, _ADMINISTRATOR, os.environ.get("MINISTACK_REGION", "us-east-1"))


def client_of_role(config: dict, service: str):
    return _client(service, execution_credentials(config), get_region())


def role_may(config: dict, action: str, resource: str, via: str | None = None) -> bool:
    """Whether the policies of the function's role, and of the resource, allow it: the emulator's own evaluation."""
    service = action.split(":")[0]
    account = config["FunctionArn"].split(":")[4]
    context = {"kms:ViaService": f"{via}.{get_region()}.amazonaws.com", "kms:CallerAccount": account} if via else None
    key = execution_credentials(config)["AWS_ACCESS_KEY_ID"]
    return iam_evaluator.enforce(key, action, service, get_region(), resource, context) is None

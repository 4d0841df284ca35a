"""What an Application Load Balancer asks of a Lambda target, and takes from it, where ministack differs from AWS.

  [lambda] https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
  [errors] https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
"""

import base64
import json
import logging
from urllib.parse import quote

from ministack.core.concurrency import run_reentrant
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_account_id, get_region
from ministack.services import alb, lambda_svc

log = logging.getLogger("load_balancer")

# [lambda], limits.
BODY_BYTES_MAX = 1024 * 1024
# [lambda], "receive events": bodies of these types are passed on as text, unless a Content-Encoding is named.
TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")
# Between the values of a header that was sent more than once, on their way through ministack; no value can hold it.
BETWEEN_VALUES = "\n"


def install() -> None:
    original = alb._forward_to_tg

    async def forward(group_arn, method, path, headers, body, query, raw_query=None, raw_path=None):
        group, targets = alb._tgs.get(group_arn), alb._targets.get(group_arn)
        if not group or group.get("TargetType") != "lambda" or not targets:
            return await original(group_arn, method, path, headers, body, query, raw_query, raw_path)
        return await to_function(group_arn, targets[0]["Id"], method, raw_path or quote(path), headers, body, raw_query or "")

    alb._forward_to_tg = forward


def is_many_valued(group_arn: str) -> bool:
    return any(attribute.get("Key") == "lambda.multi_value_headers.enabled" and attribute.get("Value") == "true"
               for attribute in alb._tg_attrs.get(group_arn, []))


def event_of(group_arn: str, method: str, path: str, headers: dict, body: bytes, raw_query: str, many_valued: bool) -> dict:
    kind = headers.get("content-type", "").lower()
    is_text = "content-encoding" not in headers and (not body or kind.startswith(TEXT_TYPES))
    event = {
        "requestContext": {"elb": {"targetGroupArn": group_arn}},
        "httpMethod": method.upper(),
        "path": path,
        "body": body.decode("utf-8", "replace") if is_text else base64.b64encode(body).decode(),
        "isBase64Encoded": not is_text,
    }
    # [lambda]: parameters are not decoded. Either the last value of each header and parameter, or, with multi-value headers,
    # all of them; never both forms.
    values = {name: value.split(BETWEEN_VALUES) for name, value in headers.items()}
    pairs = [part.partition("=")[::2] for part in raw_query.split("&") if part]
    if not many_valued:
        last = {name: each[-1] for name, each in values.items()}
        return {**event, "headers": last, "queryStringParameters": dict(pairs)}
    every: dict = {}
    for name, value in pairs:
        every.setdefault(name, []).append(value)
    return {
        **event,
        "multiValueHeaders": values,
        "multiValueQueryStringParameters": every,
    }


def may_invoke(group_arn: str, function_arn: str) -> bool:
    """[lambda], "permissions": the function's policy must allow the load balancer, best from this group alone."""
    found = lambda_svc.function_policy_for_arn(function_arn)
    if not found:
        return False
    context = EvalContext(
        principal_arn="", principal_type="Service", principal_account=get_account_id(), action="lambda:InvokeFunction",
        resource_arn=function_arn, region=get_region(),
        service_context={"aws:sourcearn": group_arn, "aws:sourceaccount": get_account_id()},
    )
    return evaluate_resource_policy(found[0], context, service="elasticloadbalancing.amazonaws.com").decision == "Allow"


def refused(status: int, reason: str) -> tuple:
    log.warning("answered %d: %s", status, reason)
    return status, {"Content-Type": "text/html", "X-Emulator-Reason": reason.replace("\n", " ")[:200]}, b"<html></html>"


async def to_function(group_arn, function_ref, method, path, headers, body, raw_query) -> tuple:
    if len(body or b"") > BODY_BYTES_MAX:
        return refused(413, "the body is larger than 1 MB")
    function, config, name = lambda_svc._get_func_record_for_ref_in_scope(
        function_ref, account_id=get_account_id(), region=get_region())
    if not function or not may_invoke(group_arn, config["FunctionArn"]):
        # [errors]: LambdaAccessDenied.
        return refused(502, f"the load balancer may not invoke {name}")
    many_valued = is_many_valued(group_arn)
    event = event_of(group_arn, method, path, headers, body or b"", raw_query, many_valued)
    record = lambda_svc._execution_record_for_config(function, config)
    result = await run_reentrant(lambda: lambda_svc._execute_function_with_config_scope(record, event), thread_name="to-function")
    if result.get("throttle") or result.get("error"):
        # [errors]: a function that throws, times out or is throttled is a 502, and its message is not shown.
        return refused(502, f"{name}: {json.dumps(result.get('body'))}")
    return answer_of(result.get("body"), many_valued)


def answer_of(answer, many_valued: bool) -> tuple:
    if isinstance(answer, (str, bytes)):
        try:
            answer = json.loads(answer)
        except ValueError:
            answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("statusCode"), int):
        return refused(502, "the answer has no statusCode")
    if len(json.dumps(answer)) > BODY_BYTES_MAX:
        return refused(502, "the answer is larger than 1 MB")
    # [lambda], "multi-value headers": only the form that is switched on is read.
    if many_valued:
        headers = {name: values[0] if len(values) == 1 else values
                   for name, values in (answer.get("multiValueHeaders") or {}).items()}
    else:
        headers = dict(answer.get("headers") or {})
    body = answer.get("body") or ""
    return answer["statusCode"], headers, base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()

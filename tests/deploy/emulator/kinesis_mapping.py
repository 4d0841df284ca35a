"""Event source mappings of Kinesis for ministack, in place of its own, which knows no window, bisecting, limit of retries or
age, partial answer or failure destination. The rules of one batch are in stream_batch.py; here is what is around them.

Pages of the Lambda developer guide, https://docs.aws.amazon.com/lambda/latest/dg/:
  [kinesis]  with-kinesis.html
  [create]   services-kinesis-create.html
  [failures] kinesis-on-failure-destination.html
"""

import base64
import json
import logging
import os
import threading
import time
import uuid
from datetime import datetime, timezone

import control
from aws import client_of_role, role_may
from ministack.core.arn import parse_arn
from ministack.core.responses import request_scope
from ministack.services import kinesis, lambda_svc
from stream_batch import (
    Answered, Discard, Failed, Ports, Settings, Throttled, Unwanted, arrival_of, next_batch, run_batch, sequence_of,
)

log = logging.getLogger("kinesis_mapping")

# [kinesis]: each shard is polled at a base rate of once a second.
POLL_SECONDS = float(os.environ.get("EMULATOR_POLL_SECONDS", "1"))
BACKOFF_SECONDS = float(os.environ.get("EMULATOR_BACKOFF_SECONDS", "0.2"))

# [create], "required execution role permissions": the mapping reads with the role of the function.
READ_ACTIONS = ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")


class Lane:
    """How far one mapping has read one shard. One batch at a time: [kinesis], a parallelization factor of 1."""

    def __init__(self, after: str):
        self.after = after
        self.running = False
        self.polled_at = 0.0
        self.waiting_since: float | None = None


_lanes: dict[tuple[str, str], Lane] = {}


def install() -> None:
    lambda_svc._poll_kinesis = poll
    kinesis._next_sequence_number = _sequence_numbers()


def _sequence_numbers():
    """A sequence number is a decimal number without leading zeros, of 56 digits in the examples of AWS; ministack pads with
    zeros. Pattern: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Record.html"""
    lock, last = threading.Lock(), [0, 0]

    def following() -> str:
        with lock:
            now_ms = int(time.time() * 1000)
            last[0], last[1] = max(last[0], now_ms), last[1] + 1
            return f"49{last[0]:020d}{last[1]:034d}"

    return following


def poll() -> bool:
    """Called by ministack's loop: starts a thread for each shard that has a batch to run."""
    for account, region, mapping in list(lambda_svc._iter_all_esms()):
        with request_scope(account, region):
            try:
                _poll_mapping(account, region, mapping)
            except Exception:
                log.exception("mapping %s", mapping.get("UUID"))
    return False


def _poll_mapping(account: str, region: str, mapping: dict) -> None:
    source = parse_arn(mapping.get("EventSourceArn", ""))
    if source.service != "kinesis" or not _enabled(mapping):
        return
    stream = kinesis._streams.get_scoped(source.account_id, source.region, source.resource.split("/", 1)[1])
    function, _ = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
    if not stream or stream["StreamStatus"] != "ACTIVE" or function is None:
        return
    settings = Settings.of(mapping)
    for shard, content in list(stream["shards"].items()):
        lane = _lanes.get((mapping["UUID"], shard))
        if lane is None:
            # LATEST begins after what is there; TRIM_HORIZON with the oldest record; child shards always with theirs.
            seen = content["records"] if mapping.get("StartingPosition") == "LATEST" else []
            lane = _lanes.setdefault((mapping["UUID"], shard), Lane(seen[-1]["SequenceNumber"] if seen else ""))
        if lane.running or not _parents_done(mapping["UUID"], stream, content):
            continue
        now = time.time()
        wait = lane.polled_at + POLL_SECONDS - now
        if lane.waiting_since is None and wait > 0:
            continue
        lane.polled_at = now
        denied = _read_denied(function, mapping, stream)
        if denied:
            mapping["LastProcessingResult"] = f"PROBLEM: {denied}"
            continue
        raw = [record for record in content["records"] if record["SequenceNumber"] > lane.after][: settings.batch_size]
        if not raw:
            lane.waiting_since = None
            continue
        batch, full = next_batch([_event_record(record, shard, mapping, account, region) for record in raw], settings)
        lane.waiting_since = lane.waiting_since or now
        if not full and now - lane.waiting_since < settings.window_seconds:
            continue
        lane.waiting_since, lane.running = None, True
        arguments = (account, region, mapping, function, shard, lane, batch, settings)
        threading.Thread(target=_run, args=arguments, daemon=True, name=f"mapping-{shard}").start()
    if any(lane.waiting_since for (owner, _), lane in _lanes.items() if owner == mapping["UUID"]):
        # A window that is open is looked at more often than ministack's loop goes round.
        threading.Timer(0.1, lambda_svc._esm_wake.set).start()


def _enabled(mapping: dict) -> bool:
    return str(mapping.get("Enabled", True)).lower() != "false" and mapping["UUID"] in lambda_svc._esms


def _parents_done(mapping: str, stream: dict, shard: dict) -> bool:
    """Records of a parent come before those of its children:
    https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html"""
    for parent in (shard.get("parent_shard_id"), shard.get("adjacent_parent_shard_id")):
        lane, content = _lanes.get((mapping, parent or "")), stream["shards"].get(parent or "")
        if lane is not None and content is not None:
            if lane.running or any(record["SequenceNumber"] > lane.after for record in content["records"]):
                return False
    return True


def _read_denied(function: dict, mapping: dict, stream: dict) -> str | None:
    config = function.get("config") or function
    for action in READ_ACTIONS:
        if not role_may(config, f"kinesis:{action}", mapping["EventSourceArn"]):
            return f"the role may not {action} the stream"
    # A consumer of a stream that is encrypted with a customer's key needs kms:Decrypt:
    # https://docs.aws.amazon.com/streams/latest/dev/permissions-user-key-KMS.html
    if stream.get("EncryptionType") == "KMS" and stream.get("KeyId"):
        if not role_may(config, "kms:Decrypt", stream["KeyId"], via="kinesis"):
            return "the role may not decrypt with the key of the stream"
    return None


def _event_record(record: dict, shard: str, mapping: dict, account: str, region: str) -> dict:
    """The event's form: [kinesis], "example event"."""
    data = record["Data"]
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(data).decode() if isinstance(data, bytes) else data,
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{account}:role/lambda-role",
        "awsRegion": region,
        "eventSourceARN": mapping["EventSourceArn"],
    }


def _run(account, region, mapping, function, shard, lane: Lane, batch: list, settings: Settings) -> None:
    with request_scope(account, region):
        name = mapping["FunctionName"]

        def invoke(records: list):
            # Taken anew each time, as its code and configuration may have been updated between two attempts.
            current, _ = lambda_svc._get_func_record_for_qualifier(name, mapping.get("Qualifier"))
            if current is None:
                raise Unwanted
            control.batch_begins(name)
            result = lambda_svc._execute_function(current, {"Records": records})
            outcome = _outcome(result)
            control.batch_ended(name, shard, records, outcome)
            mapping["LastProcessingResult"] = "PROBLEM: Function call failed" if isinstance(outcome, Failed) else "OK"
            if isinstance(outcome, Failed):
                log.warning("%s failed on %d records of %s: %s\n%s", name, len(records), shard, outcome.reason, result.get("log", ""))
            return outcome

        def discard(given_up: Discard):
            log.warning("%s: %d records of %s discarded: %s", name, len(given_up.records), shard, given_up.condition)
            control.batch_discarded(name, shard, given_up)
            while _enabled(mapping):
                try:
                    return _to_destination(mapping, function, shard, given_up)
                except Exception as error:
                    # A destination that refuses must show; AWS drops the record and counts DestinationDeliveryFailures.
                    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
                    log.error("the failure destination refused: %s", error)
                    control.note("destination refused", {"error": str(error)})
                    return None

        ports = Ports(invoke, discard, time.time, time.sleep, lambda: _enabled(mapping))
        try:
            matching = lambda_svc._apply_filter_criteria(batch, mapping)
            if matching:
                run_batch(settings, matching, ports, BACKOFF_SECONDS)
            # Each record is processed at least once, and may be more often: [kinesis], and
            # https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
            while matching and control.take("deliver again", name):
                run_batch(settings, matching, ports, BACKOFF_SECONDS)
            lane.after = sequence_of(batch[-1])
        except Unwanted:
            pass
        except Exception:
            log.exception("batch of %s", shard)
        finally:
            # A shard with more records is read on at once.
            lane.running, lane.polled_at = False, 0.0
            lambda_svc._esm_wake.set()


def _outcome(result: dict):
    if result.get("throttle"):
        return Throttled()
    if result.get("error"):
        body = result.get("body")
        return Failed(str(body.get("errorMessage") or body.get("errorType")) if isinstance(body, dict) else str(body))
    return Answered(result.get("body"))


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _to_destination(mapping: dict, function: dict, shard: str, given_up: Discard) -> None:
    """[failures]: metadata to SQS or SNS; to S3 the whole invocation too, as the text of a JSON document, under
    aws/lambda/<mapping>/<shard>/yyyy/mm/dd/yyyy-mm-ddThh.mm.ss-<random>."""
    destination = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
    if not destination:
        return
    records, config = given_up.records, function.get("config") or function
    document: dict = {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": config.get("FunctionArn", ""),
            "condition": given_up.condition,
            "approximateInvokeCount": given_up.invocations,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": given_up.function_error},
        "version": "1.0",
        "timestamp": _iso(time.time()),
        "KinesisBatchInfo": {
            "shardId": shard,
            "startSequenceNumber": sequence_of(records[0]),
            "endSequenceNumber": sequence_of(records[-1]),
            "approximateArrivalOfFirstRecord": _iso(arrival_of(records[0])),
            "approximateArrivalOfLastRecord": _iso(arrival_of(records[-1])),
            "batchSize": len(records),
            "streamArn": mapping["EventSourceArn"],
        },
    }
    target = parse_arn(destination)
    if target.service == "sqs":
        queues = client_of_role(config, "sqs")
        url = queues.get_queue_url(QueueName=target.resource)["QueueUrl"]
        queues.send_message(QueueUrl=url, MessageBody=json.dumps(document))
        return
    if target.service != "s3":
        raise ValueError(f"the emulator sends nothing to {target.service}")
    document["payload"] = json.dumps({"Records": records})
    moment = datetime.now(timezone.utc)
    key = f"aws/lambda/{mapping['UUID']}/{shard}/{moment:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
    # [failures]: the role needs s3:PutObject and s3:ListBucket, and kms:GenerateDataKey for a bucket with a key (keys.py).
    bucket = client_of_role(config, "s3")
    bucket.list_objects_v2(Bucket=target.resource, MaxKeys=1)
    bucket.put_object(Bucket=target.resource, Key=key, Body=json.dumps(document).encode())


def backlog() -> int:
    """Records of enabled mappings that no batch has run to its end."""
    count = 0
    for account, region, mapping in list(lambda_svc._iter_all_esms()):
        with request_scope(account, region):
            source = parse_arn(mapping.get("EventSourceArn", ""))
            if source.service != "kinesis" or not _enabled(mapping):
                continue
            stream = kinesis._streams.get_scoped(source.account_id, source.region, source.resource.split("/", 1)[1])
            for shard, content in (stream or {"shards": {}})["shards"].items():
                lane = _lanes.get((mapping["UUID"], shard))
                count += sum(1 for record in content["records"] if lane is None or record["SequenceNumber"] > lane.after)
    return count

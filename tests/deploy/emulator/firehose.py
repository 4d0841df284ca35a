"""Firehose from a Kinesis stream to S3, in place of ministack's own, which writes each record as it comes, as an object of its
own, neither gzipped nor with a line feed, as whoever put it, and without asking what the role may do. What an object is, and
when it is due, is in firehose_buffer.py.

Pages of https://docs.aws.amazon.com/firehose/latest/dev/:
  [source] writing-with-kinesis-streams.html
  [access] controlling-access.html
  [retry]  retry.html
  [logs]   monitoring-with-cloudwatch-logs.html
"""

import json
import logging
import threading
import time

import control
from aws import administrator, client_of_role, role_may
from firehose_buffer import TYPE, Buffer, Record, Settings, object_of
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import firehose, iam, kinesis
from ministack.services.cloudformation import provisioners

log = logging.getLogger("firehose")

# [source]: GetRecords once per second for each shard.
POLL_SECONDS = 1.0
# Limit of GetRecords: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
RECORDS_MAX = 10_000
# Seconds by which the clocks of buffers are ahead: the tests do not wait for an interval of minutes.
_ahead = 0.0
_deliveries: list["Delivery"] = []


def deliver(seconds: float) -> int:
    """Lets so many seconds pass for what is gathered. Returns how many records are not delivered."""
    global _ahead
    _ahead += seconds
    return sum(delivery.waiting() for delivery in _deliveries)


class Delivery:
    """One delivery stream, and the thread that reads for it and writes."""

    def __init__(self, name: str, settings: Settings, stream_arn: str, role: str):
        self.account, self.region = get_account_id(), get_region()
        self.name, self.settings, self.stream_arn = name, settings, stream_arn
        # As aws.py is told of a role: by the function that has it.
        function = f"arn:aws:lambda:{self.region}:{self.account}:function:firehose"
        self.caller = {"Role": role, "FunctionName": "firehose", "FunctionArn": function}
        self.buffer = Buffer(settings)
        # [source]: it starts at LATEST: what is there already is not delivered.
        self.after = {shard: content["records"][-1]["SequenceNumber"] if content["records"] else ""
                      for shard, content in self.stream()["shards"].items()}

    def stream(self) -> dict:
        found = kinesis._streams.get_scoped(self.account, self.region, self.stream_arn.split("/", 1)[1])
        if found is None:
            raise ValueError(f"the stream {self.stream_arn} does not exist")
        return found

    def waiting(self) -> int:
        unread = sum(1 for shard, content in self.stream()["shards"].items()
                     for record in content["records"] if record["SequenceNumber"] > self.after.get(shard, ""))
        return unread + len(self.buffer.records)

    def run(self) -> None:
        with request_scope(self.account, self.region):
            client = client_of_role(self.caller, "kinesis")
            while self in _deliveries:
                try:
                    self.read(client)
                    if self.buffer.due(time.time() + _ahead):
                        self.write()
                except Exception as error:
                    # [retry]: with a stream as the source both reading and delivery are tried again without end.
                    log.warning("%s: %s", self.name, error)
                    control.note("not delivered", {"stream": self.name, "error": str(error)})
                    self.tell(error)
                time.sleep(POLL_SECONDS)

    def read(self, client) -> None:
        """[access], "grant access to an S3 destination": the role's rights on the stream, and on its key."""
        name = self.stream_arn.split("/", 1)[1]
        client.describe_stream(StreamName=name)
        key = self.stream().get("KeyId")
        if key and not role_may(self.caller, "kms:Decrypt", key, via="kinesis"):
            raise PermissionError("the role may not decrypt with the key of the stream")
        for shard in client.list_shards(StreamName=name)["Shards"]:
            after = self.after.get(shard["ShardId"], "")
            position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after} if after else {
                "ShardIteratorType": "TRIM_HORIZON"}
            iterator = client.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"], **position)["ShardIterator"]
            # An iterator says to AWS whose it is; ministack must be told.
            for record in client.get_records(ShardIterator=iterator, Limit=RECORDS_MAX, StreamARN=self.stream_arn)["Records"]:
                arrival = record["ApproximateArrivalTimestamp"].timestamp()
                self.buffer.add(Record(record["Data"], arrival), time.time() + _ahead)
                self.after[shard["ShardId"]] = record["SequenceNumber"]

    def write(self) -> None:
        """[access]: s3:PutObject, and kms:GenerateDataKey for the key that encrypts (keys.py)."""
        key, content = object_of(self.name, self.settings, self.buffer.records, time.time())
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.settings.key_arn} if self.settings.key_arn else {}
        client_of_role(self.caller, "s3").put_object(Bucket=self.settings.bucket, Key=key, Body=content, **encrypted)
        self.buffer = Buffer(self.settings)

    def tell(self, error: Exception) -> None:
        """[logs]: errors go to the log group and stream that are named, by the same role."""
        if not self.settings.log_group:
            return
        # The resource is the log stream, and not the group, as which ministack would ask for it:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
        place = f"log-group:{self.settings.log_group}:log-stream:{self.settings.log_stream}"
        if not role_may(self.caller, "logs:PutLogEvents", f"arn:aws:logs:{self.region}:{self.account}:{place}"):
            control.note("not logged", {"stream": self.name})
            return
        told = {"deliveryStreamARN": firehose._stream_arn(self.name), "destination": f"arn:aws:s3:::{self.settings.bucket}",
                "deliveryStreamVersionId": 1, "message": str(error), "errorCode": type(error).__name__}
        administrator("logs").put_log_events(
            logGroupName=self.settings.log_group, logStreamName=self.settings.log_stream,
            logEvents=[{"timestamp": int(time.time() * 1000), "message": json.dumps(told)}])


# --- aws-resource-kinesisfirehose-deliverystream


def may_assume(role: str) -> bool:
    """[access], "allow Firehose to assume an IAM role": what the role trusts, and of which account."""
    found = iam._roles.get(role.rsplit("/", 1)[-1]) or {}
    context = EvalContext(
        principal_arn="", principal_type="Service", principal_account=get_account_id(), action="sts:AssumeRole",
        resource_arn=role, region=get_region(), service_context={"aws:sourceaccount": get_account_id()})
    policy = found.get("AssumeRolePolicyDocument")
    return evaluate_resource_policy(policy, context, service="firehose.amazonaws.com").decision == "Allow"


def install() -> None:
    firehose.ingest_from_kinesis_source = lambda *_: None
    own = provisioners._RESOURCE_HANDLERS[TYPE]

    def create(logical_id, properties, stack_name):
        settings = Settings.of(properties)
        source = properties["KinesisStreamSourceConfiguration"]
        for role in (source["RoleARN"], properties["ExtendedS3DestinationConfiguration"]["RoleARN"]):
            if not may_assume(role) or role != source["RoleARN"]:
                raise ValueError(f"Firehose is unable to assume role {role}, or it is not the one role that the emulator knows")
        name, attributes = own["create"](logical_id, properties, stack_name)
        delivery = Delivery(name, settings, source["KinesisStreamARN"], source["RoleARN"])
        _deliveries.append(delivery)
        threading.Thread(target=delivery.run, daemon=True, name=f"firehose-{name}").start()
        return name, attributes

    def delete(physical_id, properties):
        _deliveries[:] = [delivery for delivery in _deliveries if delivery.name != physical_id]
        return own["delete"](physical_id, properties)

    provisioners._RESOURCE_HANDLERS[TYPE] = {"create": create, "delete": delete}

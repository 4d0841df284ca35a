"""What Firehose gathers from a stream for S3, and what becomes of it, as AWS describes it. Pure: the time is passed in.

Pages of https://docs.aws.amazon.com/firehose/latest/dev/:
  [deliver]  basic-deliver.html
  [names]    s3-object-name.html
  [prefixes] s3-prefixes.html
"""

import gzip
import time
import uuid
from dataclasses import dataclass, field

from ministack.services import firehose

TYPE = "AWS::KinesisFirehose::DeliveryStream"
ERROR_TYPE = "!{firehose:error-output-type}"


@dataclass(frozen=True)
class Record:
    data: bytes
    arrival: float


@dataclass(frozen=True)
class Settings:
    """Of https://docs.aws.amazon.com/firehose/latest/APIReference/API_ExtendedS3DestinationConfiguration.html"""

    bucket: str
    prefix: str
    size_bytes: int
    seconds: int
    delimiter: bytes
    gzipped: bool
    key_arn: str | None
    log_group: str | None
    log_stream: str | None

    @staticmethod
    def of(properties: dict) -> "Settings":
        """Raises ValueError for what CreateDeliveryStream refuses, and for what is not played here."""
        target = properties.get("ExtendedS3DestinationConfiguration") or {}
        if properties.get("DeliveryStreamType") != "KinesisStreamAsSource" or not target:
            raise ValueError(f"{TYPE}: the emulator delivers from a Kinesis stream to S3 alone")
        if properties.get("DeliveryStreamEncryptionConfigurationInput"):
            # https://docs.aws.amazon.com/firehose/latest/APIReference/API_StartDeliveryStreamEncryption.html
            raise ValueError("Encryption of its own is for a stream with DirectPut as its source")
        # https://docs.aws.amazon.com/firehose/latest/APIReference/API_BufferingHints.html
        hints = target.get("BufferingHints") or {}
        seconds, megabytes = int(hints.get("IntervalInSeconds", 300)), int(hints.get("SizeInMBs", 5))
        if not 0 <= seconds <= 900 or not 1 <= megabytes <= 128:
            raise ValueError("BufferingHints are 0 to 900 seconds and 1 to 128 MB")
        prefix, error_prefix = target.get("Prefix", ""), target.get("ErrorOutputPrefix", "")
        # [prefixes], "semantic rules": with an expression in the prefix there is an error prefix, which names the type.
        if "!{" in prefix and ERROR_TYPE not in error_prefix:
            raise ValueError(f"ErrorOutputPrefix must have {ERROR_TYPE}, for Prefix has expressions")
        if ERROR_TYPE in prefix:
            raise ValueError(f"Prefix cannot have {ERROR_TYPE}")
        compression = target.get("CompressionFormat", "UNCOMPRESSED")
        if compression not in ("UNCOMPRESSED", "GZIP"):
            raise ValueError(f"the emulator does not know the compression {compression}")
        watched = target.get("CloudWatchLoggingOptions") or {}
        watched = watched if str(watched.get("Enabled")).lower() == "true" else {}
        return Settings(
            bucket=target["BucketARN"].rsplit(":", 1)[1], prefix=prefix, size_bytes=megabytes * 1024 * 1024, seconds=seconds,
            delimiter=delimiter_of(target.get("ProcessingConfiguration") or {}), gzipped=compression == "GZIP",
            key_arn=((target.get("EncryptionConfiguration") or {}).get("KMSEncryptionConfig") or {}).get("AWSKMSKeyARN"),
            log_group=watched.get("LogGroupName"), log_stream=watched.get("LogStreamName"))


def delimiter_of(processing: dict) -> bytes:
    """[deliver]: records are put one after another without anything between them, unless a delimiter is asked for:
    https://docs.aws.amazon.com/firehose/latest/APIReference/API_ProcessorParameter.html"""
    delimiter = b""
    for processor in processing.get("Processors", []) if str(processing.get("Enabled")).lower() == "true" else []:
        if processor["Type"] != "AppendDelimiterToRecord":
            raise ValueError(f"the emulator does not know the processor {processor['Type']}")
        parameters = {each["ParameterName"]: each["ParameterValue"] for each in processor.get("Parameters", [])}
        if parameters != {"Delimiter": "\\n"}:
            raise ValueError(f"the emulator knows the delimiter \\n alone, not {parameters}")
        delimiter = b"\n"
    return delimiter


@dataclass
class Buffer:
    """What waits for the next object; [deliver]: whichever of size and interval comes first."""

    settings: Settings
    records: list = field(default_factory=list)
    size_bytes: int = 0
    since: float = 0.0

    def add(self, record: Record, now: float) -> None:
        if not self.records:
            self.since = now
        self.records.append(record)
        self.size_bytes += len(record.data) + len(self.settings.delimiter)

    def due(self, now: float) -> bool:
        full = self.size_bytes >= self.settings.size_bytes
        return bool(self.records) and (full or now - self.since >= self.settings.seconds)


def object_of(stream: str, settings: Settings, records: list, now: float) -> tuple[str, bytes]:
    """[names]: <prefix><stream>-<version>-<time>-<uuid><extension>; [prefixes]: the prefix is evaluated at the approximate
    arrival of the oldest record in the object, in UTC."""
    oldest = time.gmtime(min(record.arrival for record in records))
    prefix = firehose._evaluate_prefix(settings.prefix, oldest)
    name = f"{stream}-1-{time.strftime('%Y-%m-%d-%H-%M-%S', time.gmtime(now))}-{uuid.uuid4()}{'.gz' if settings.gzipped else ''}"
    content = b"".join(record.data + settings.delimiter for record in records)
    return prefix + name, gzip.compress(content) if settings.gzipped else content

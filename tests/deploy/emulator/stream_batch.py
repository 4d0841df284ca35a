"""How Lambda's event source mapping for Kinesis runs one batch to its end, as AWS describes it.

Pure: what invokes, waits, tells the time and keeps what is discarded is passed in. Pages of the Lambda developer guide,
https://docs.aws.amazon.com/lambda/latest/dg/:
  [batching]  invocation-eventsourcemapping.html#invocation-eventsourcemapping-batching
  [reporting] services-kinesis-batchfailurereporting.html
  [failures]  kinesis-on-failure-destination.html
  [parameters] services-kinesis-parameters.html
"""

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable

# [batching]: Lambda invokes when the window is over, the batch is full, or the payload reaches 6 MB.
PAYLOAD_BYTES_MAX = 6 * 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """What the mapping was made with. [parameters]: -1 is unlimited, and is the default of both limits."""

    batch_size: int = 100
    window_seconds: float = 0
    bisect: bool = False
    retries_max: int = -1
    record_age_seconds_max: int = -1
    partial_answers: bool = False

    @staticmethod
    def of(mapping: dict) -> "Settings":
        return Settings(
            batch_size=int(mapping.get("BatchSize", 100)),
            window_seconds=float(mapping.get("MaximumBatchingWindowInSeconds") or 0),
            bisect=str(mapping.get("BisectBatchOnFunctionError", False)).lower() == "true",
            retries_max=int(mapping.get("MaximumRetryAttempts", -1)),
            record_age_seconds_max=int(mapping.get("MaximumRecordAgeInSeconds", -1)),
            partial_answers="ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or []),
        )


@dataclass(frozen=True)
class Throttled:
    """The function was not invoked."""


@dataclass(frozen=True)
class Failed:
    """The function was invoked and ended with an error, a crash or a time-out."""

    reason: str = ""


@dataclass(frozen=True)
class Answered:
    body: Any = None


@dataclass(frozen=True)
class Discard:
    """Records that are given up, in order, and why."""

    records: list
    condition: str
    invocations: int
    function_error: str | None


class Unwanted(Exception):
    """The mapping was deleted or disabled: what is not processed stays in the stream."""


@dataclass
class Ports:
    invoke: Callable[[list], Any]
    discard: Callable[[Discard], None]
    now: Callable[[], float]
    wait: Callable[[float], None]
    wanted: Callable[[], bool] = lambda: True


@dataclass
class Part:
    records: list
    retries: int = 0
    invocations: int = 0
    throttles: int = 0
    error: str | None = field(default=None)


def sequence_of(record: dict) -> str:
    return record["kinesis"]["sequenceNumber"]


def arrival_of(record: dict) -> float:
    return float(record["kinesis"]["approximateArrivalTimestamp"])


def next_batch(records: list, settings: Settings) -> tuple[list, bool]:
    """The records, of those that wait, which the next batch takes, and whether it is full and need wait no longer."""
    taken: list = []
    payload_bytes = 0
    for record in records[: settings.batch_size]:
        size = len(json.dumps(record))
        if taken and payload_bytes + size > PAYLOAD_BYTES_MAX:
            return taken, True
        taken.append(record)
        payload_bytes += size
    return taken, len(taken) >= settings.batch_size


def first_failure(body: Any, records: list) -> int | None:
    """The index of the first record that an answer calls failed; None when it calls the batch a success."""
    if isinstance(body, (str, bytes)):
        try:
            body = json.loads(body) if body else None
        except ValueError:
            return 0
    # [reporting]: an empty or null answer, and an empty or null list, are a complete success.
    if not isinstance(body, dict) or not body.get("batchItemFailures"):
        return None
    identifiers = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in body["batchItemFailures"]]
    sequences = [sequence_of(record) for record in records]
    # [reporting]: an identifier that is empty, null, or of another name makes the whole batch a failure. The page does
    # not say what an identifier of no record does; it is taken as a failure of all too, which loses nothing.
    if any(identifier not in sequences for identifier in identifiers):
        return 0
    # [reporting]: of several identifiers the lowest sequence number is the checkpoint, and all from there on is retried.
    return min(sequences.index(identifier) for identifier in identifiers)


def run_batch(settings: Settings, records: list, ports: Ports, backoff_seconds: float = 0.2) -> None:
    """Returns when each record was either processed or discarded; one invocation is under way at a time, in order."""
    work = deque([Part(list(records))])
    while work:
        part = work.popleft()
        if not ports.wanted():
            raise Unwanted
        give_up_expired(settings, part, ports)
        if not part.records:
            continue
        outcome = ports.invoke(part.records)
        if isinstance(outcome, Throttled):
            # [failures], "before invocation": tried again until the records expire or are too old; no retry is used up.
            part.throttles += 1
            ports.wait(pause(backoff_seconds, part.throttles))
            work.appendleft(part)
            continue
        part.invocations += 1
        if isinstance(outcome, Failed):
            # [reporting], "bisecting": when the invocation fails, the batch is halved whatever the answer's type.
            failed_at, part.error = 0, outcome.reason or "Unhandled"
        elif settings.partial_answers:
            failed_at = first_failure(outcome.body, part.records)
            if failed_at is None:
                continue
            part.error = None
        else:
            continue
        retry(settings, part, failed_at, isinstance(outcome, Failed), work, ports, backoff_seconds)


def retry(settings, part: Part, failed_at: int, crashed: bool, work: deque, ports: Ports, backoff_seconds: float) -> None:
    rest = part.records[failed_at:]
    if settings.bisect and crashed and len(rest) > 1:
        # [failures]: BisectBatchOnFunctionError splits a failed batch in two; that does not use up a retry.
        middle = len(rest) // 2
        ports.wait(pause(backoff_seconds, 1))
        work.appendleft(Part(rest[middle:], part.retries, part.invocations))
        work.appendleft(Part(rest[:middle], part.retries, part.invocations))
        return
    if settings.bisect and failed_at > 0:
        # [reporting], "bisecting": with a partial answer the batch is split at the sequence number that was returned,
        # and only what remains is retried. A split, so it does not use up a retry either.
        ports.wait(pause(backoff_seconds, 1))
        work.appendleft(Part(rest, part.retries, part.invocations))
        return
    # [failures]: records are discarded when the retry quota is reached.
    if 0 <= settings.retries_max <= part.retries:
        ports.discard(Discard(rest, "RetryAttemptsExhausted", part.invocations, part.error))
        return
    ports.wait(pause(backoff_seconds, part.retries + 1))
    # Whether an answer that made progress uses up a retry without bisecting is not written; it does here.
    work.appendleft(Part(rest, part.retries + 1, part.invocations, error=part.error))


def give_up_expired(settings: Settings, part: Part, ports: Ports) -> None:
    # [failures]: a record older than MaximumRecordAgeInSeconds is discarded, also before its first invocation.
    if settings.record_age_seconds_max < 0:
        return
    oldest = ports.now() - settings.record_age_seconds_max
    expired = [record for record in part.records if arrival_of(record) < oldest]
    if expired:
        # The page shows RetryAttemptsExhausted alone; this name is chosen here, and is shown to people and nothing more.
        ports.discard(Discard(expired, "RecordAgeExceeded", part.invocations, part.error))
        part.records = [record for record in part.records if arrival_of(record) >= oldest]


def pause(backoff_seconds: float, times: int) -> float:
    """Lambda waits longer each time, how long is not written; kept short, for tests wait for it."""
    return min(backoff_seconds * 2 ** (times - 1), 1.0)

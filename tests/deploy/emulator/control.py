"""Faults on purpose, and what happened: asked for by the tests over HTTP, on a port of its own that only this machine reaches.

  POST /faults   [{"kind": "throttle table", "table": "events", "every": 2}, …]   replaces all faults
  GET  /report   batches, discards, notes, and counts of calls, since the last DELETE /report
  GET  /backlog  records that no mapping has processed yet
  GET  /doors    the listeners of load balancers, each with the port of this machine on which it answers
  POST /deliver  {"seconds": 300}: lets so much time pass for what Firehose gathers; how many records it has not delivered
  POST /restart  {"function": "…"}: its next invocation finds a new process
  POST /call     {"service": "iam", "operation": "put_role_policy", "parameters": {…}}, as the administrator

Kinds of faults, each with an optional "times", after which it is over:
  throttle table   table (a part of its name), every (each so-many-th call)
  throttle stream  every (each so-many-th record)
  lose record      marker: a record with this text in it is acknowledged, and then nowhere
  deliver again    function: its next batch is delivered once more
  kill             function, calls: the process of a batch is killed after so many calls to DynamoDB, the last applied
  crash            function, marker: a process is killed each time it asks DynamoDB for something with this text: as if what
                   it does with one visitor's events ended it
"""

import base64
import json
import os
import signal
import threading
import uuid
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aws import administrator
from ministack.core import lambda_runtime
from ministack.core.responses import error_response_json
from ministack.core.router import extract_access_key_id
from ministack.services import dynamodb, kinesis, lambda_svc, sts

_lock = threading.RLock()
_faults: list[dict] = []
_report: dict = {}
_workers: dict[str, object] = {}
_running: dict[object, "Running"] = {}
_thread = threading.local()


def reset_report() -> None:
    _report.clear()
    _report.update(batches=[], discarded=[], notes=[], calls=Counter())


reset_report()


def note(kind: str, detail: dict) -> None:
    with _lock:
        _report["notes"].append({"kind": kind, **detail})


def _use(fault: dict) -> None:
    if "times" in fault:
        fault["times"] -= 1
        if fault["times"] <= 0:
            _faults.remove(fault)


def take(kind: str, function: str) -> bool:
    with _lock:
        for fault in _faults:
            if fault["kind"] == kind and fault["function"] == function:
                _use(fault)
                note(kind, {"function": function})
                return True
    return False


def _due(fault: dict) -> bool:
    """Each so-many-th time it is asked; counted, and not by chance, so that a run can be repeated."""
    fault["asked"] = fault.get("asked", 0) + 1
    if fault["asked"] % int(fault.get("every", 1)):
        return False
    _use(fault)
    return True


# --- batches and the processes that run them


class Running:
    """One invocation with a batch, and the process that has it."""

    def __init__(self, function: str):
        self.function = function
        self.calls = 0


def batch_begins(function: str) -> None:
    _thread.running = Running(function)


def batch_ended(function: str, shard: str, records: list, outcome) -> None:
    running, _thread.running = _thread.running, None
    with _lock:
        for worker in [worker for worker, each in _running.items() if each is running]:
            del _running[worker]
        sequences = [record["kinesis"]["sequenceNumber"] for record in records]
        _report["batches"].append({
            "function": function, "shard": shard, "records": len(records), "first": sequences[0], "last": sequences[-1],
            "outcome": type(outcome).__name__, "answer": getattr(outcome, "body", None), "reason": getattr(outcome, "reason", None),
        })


def batch_discarded(function: str, shard: str, discard) -> None:
    with _lock:
        _report["discarded"].append({
            "function": function, "shard": shard, "records": len(discard.records), "condition": discard.condition,
        })


def _remember_workers() -> None:
    """Which process runs which batch, and signs with which credentials: each gets a session of its own, as on AWS."""
    acquire, spawn, credentials = lambda_svc.acquire_worker, lambda_runtime.Worker._spawn, lambda_runtime.execution_credentials

    def acquire_and_note(name, *arguments, **options):
        worker, reason = acquire(name, *arguments, **options)
        running = getattr(_thread, "running", None)
        if worker is not None and running is not None:
            with _lock:
                _running[worker] = running
        return worker, reason

    def spawn_and_note(worker):
        _thread.spawning = worker
        try:
            spawn(worker)
        finally:
            _thread.spawning = None

    def own_credentials(config):
        shared = credentials(config)
        worker = getattr(_thread, "spawning", None)
        if worker is None:
            return shared
        key = f"ASIA{uuid.uuid4().hex[:16].upper()}"
        sts.register_session(key, _session_of(config, shared))
        with _lock:
            _workers[key] = worker
        return {**shared, "AWS_ACCESS_KEY_ID": key}

    lambda_svc.acquire_worker = acquire_and_note
    lambda_runtime.Worker._spawn = spawn_and_note
    lambda_runtime.execution_credentials = own_credentials


def _session_of(config: dict, credentials: dict) -> dict:
    account, role = config["FunctionArn"].split(":")[4], config["Role"].rsplit("/", 1)[-1]
    name = config["FunctionName"][:64]
    return {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}", "UserId": f"{role}:{name}",
        "SecretAccessKey": credentials["AWS_SECRET_ACCESS_KEY"], "SessionToken": credentials["AWS_SESSION_TOKEN"],
    }


def _kill(worker, fault: dict) -> None:
    if worker._proc is not None:
        os.kill(worker._proc.pid, signal.SIGKILL)
        note("killed", {"function": worker.func_name})
        _use(fault)


def _crash(headers: dict, body: bytes) -> bool:
    """Whether the process that called is killed for what it called with; nothing of the call is then applied."""
    with _lock:
        worker = _workers.get(extract_access_key_id(headers))
        for fault in list(_faults):
            if fault["kind"] == "crash" and worker is not None and worker.func_name == fault["function"]:
                if fault["marker"].encode() in body:
                    _kill(worker, fault)
                    return True
    return False


def _count_call(headers: dict) -> None:
    """One more call for the batch of the process that signed it; after the last one it is killed."""
    with _lock:
        worker = _workers.get(extract_access_key_id(headers))
        running = _running.get(worker)
        if running is None:
            return
        running.calls += 1
        for fault in list(_faults):
            if fault["kind"] == "kill" and fault["function"] == running.function and running.calls == fault["calls"]:
                _kill(worker, fault)


# --- calls to DynamoDB and Kinesis


def _tables_of(request: dict) -> list[str]:
    names = [request["TableName"]] if "TableName" in request else list(request.get("RequestItems", {}))
    for each in request.get("TransactItems", []):
        names += [part["TableName"] for part in each.values()]
    return [name.rsplit("/", 1)[-1] for name in names]


def _throttled(request: dict) -> bool:
    with _lock:
        for fault in list(_faults):
            if fault["kind"] == "throttle table" and any(fault["table"] in name for name in _tables_of(request)):
                if _due(fault):
                    _report["calls"]["throttled"] += 1
                    return True
    return False


def _half(request: dict) -> tuple[dict, dict]:
    """A batch with the first half of its items, and the rest."""
    flat = []
    for table, items in request["RequestItems"].items():
        flat += [(table, item) for item in (items["Keys"] if isinstance(items, dict) else items)]
    parts = []
    for chosen in (flat[: len(flat) // 2], flat[len(flat) // 2 :]):
        grouped: dict = {}
        for table, item in chosen:
            items = request["RequestItems"][table]
            if isinstance(items, dict):
                grouped.setdefault(table, {**items, "Keys": []})["Keys"].append(item)
            else:
                grouped.setdefault(table, []).append(item)
        parts.append(grouped)
    return {**request, "RequestItems": parts[0]}, parts[1]


def _watch_dynamodb() -> None:
    original = dynamodb.handle_request

    async def handle(method, path, headers, body, query):
        operation = headers.get("x-amz-target", "").split(".")[-1]
        request = json.loads(body) if body else {}
        with _lock:
            _report["calls"][f"dynamodb {operation}"] += 1
        if _crash(headers, body):
            return error_response_json("InternalServerError", "The caller is gone.", 500)
        left_out: dict = {}
        if _throttled(request):
            # What a table without capacity answers; a batch of which some items can be done answers with the others.
            # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
            # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
            done, left_out = _half(request) if operation in ("BatchWriteItem", "BatchGetItem") else ({}, {})
            if not done.get("RequestItems"):
                return error_response_json(
                    "ProvisionedThroughputExceededException", "The level of configured provisioned throughput was exceeded.", 400)
            body = json.dumps(done).encode()
        status, answer_headers, answer = await original(method, path, headers, body, query)
        if left_out and status == 200:
            content = json.loads(answer)
            content["UnprocessedItems" if operation == "BatchWriteItem" else "UnprocessedKeys"] = left_out
            answer = json.dumps(content).encode()
            answer_headers = {name: value for name, value in answer_headers.items() if name.lower() != "x-amz-crc32"}
        _count_call(headers)
        return status, answer_headers, answer

    dynamodb.handle_request = handle


def _answered_instead(fault: dict, record: dict) -> dict | None:
    """What PutRecords answers of a record that is not put, for it is refused or lost."""
    if fault["kind"] == "throttle stream" and _due(fault):
        return {
            "ErrorCode": "ProvisionedThroughputExceededException",
            "ErrorMessage": "Rate exceeded for shard shardId-000000000000.",
        }
    if fault["kind"] == "lose record" and fault["marker"].encode() in (data := base64.b64decode(record["Data"])):
        _use(fault)
        note("lost", {"header": data.split(b"\n")[0].decode()})
        return {"ShardId": "shardId-000000000000", "SequenceNumber": kinesis._next_sequence_number()}
    return None


def _watch_kinesis() -> None:
    original = kinesis.handle_request

    async def handle(method, path, headers, body, query):
        operation = headers.get("x-amz-target", "").split(".")[-1]
        instead: dict[int, dict] = {}
        request = json.loads(body) if operation == "PutRecords" else {}
        with _lock:
            _report["calls"][f"kinesis {operation}"] += 1
            for fault in list(_faults):
                for index, record in enumerate(request.get("Records", [])):
                    answered = _answered_instead(fault, record)
                    if answered is not None:
                        instead[index] = answered
        if not instead:
            return await original(method, path, headers, body, query)
        # PutRecords answers 200 when only some records were refused, each with its error, in the order of the request.
        # https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
        kept = [record for index, record in enumerate(request["Records"]) if index not in instead]
        content: dict = {"Records": []}
        if kept:
            status, answer_headers, answer = await original(
                method, path, headers, json.dumps({**request, "Records": kept}).encode(), query)
            if status != 200:
                return status, answer_headers, answer
            content = json.loads(answer)
        results = content["Records"]
        for index in sorted(instead):
            results.insert(index, instead[index])
        content["FailedRecordCount"] = sum("ErrorCode" in result for result in results)
        return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(content).encode()

    kinesis.handle_request = handle


# --- what the tests ask


def backlog() -> int:
    """Records that wait, over all mappings; set by start.py."""
    return 0


def doors() -> list:
    """Set by start.py."""
    return []


def deliver(seconds: float) -> int:
    """Set by start.py."""
    return 0


class _Requests(BaseHTTPRequestHandler):
    def _answer(self, content, status: int = 200) -> None:
        body = json.dumps(content, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with _lock:
            self._answer({"/report": lambda: _report, "/backlog": backlog, "/doors": doors}[self.path]())

    def do_DELETE(self):
        with _lock:
            reset_report()
        self._answer({})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/faults":
            with _lock:
                _faults[:] = asked
            return self._answer({})
        if self.path == "/restart":
            lambda_runtime.invalidate_worker(asked["function"])
            return self._answer({})
        if self.path == "/deliver":
            return self._answer(deliver(asked["seconds"]))
        try:
            call = getattr(administrator(asked["service"]), asked["operation"])
            self._answer(call(**asked.get("parameters", {})))
        except Exception as error:
            self._answer({"error": f"{type(error).__name__}: {error}"}, 400)

    def log_message(self, *_):
        pass


def install() -> int:
    """Returns the port on which the tests ask."""
    _remember_workers()
    _watch_dynamodb()
    _watch_kinesis()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Requests)
    threading.Thread(target=server.serve_forever, daemon=True, name="control").start()
    return server.server_address[1]

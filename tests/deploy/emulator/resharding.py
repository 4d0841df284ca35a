"""Splitting a shard of ministack as AWS does. Its own takes the parent away, and what nobody has read of it.

  The parent is closed: it takes no record any more, and keeps those that it has until the retention is over.
  https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html
  ListShards gives a closed shard the sequence number at its end.
  https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SequenceNumberRange.html
  GetRecords at the end of a closed shard answers no next iterator, and the child shards.
  https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
"""

import json

from ministack.core.responses import error_response_json
from ministack.services import kinesis

CLOSED = "ending_sequence_number"


def install() -> None:
    split, out, read = kinesis._split_shard, kinesis._shard_out, kinesis._get_records

    def split_and_keep(data: dict):
        _, stream = kinesis._resolve_stream(data)
        name = data.get("ShardToSplit")
        parent = stream["shards"].get(name) if stream else None
        if parent is not None and CLOSED in parent:
            return error_response_json("ResourceInUseException", f"Shard {name} is closed", 400)
        answer = split(data)
        if answer[0] == 200:
            parent[CLOSED] = kinesis._next_sequence_number()
            stream["shards"] = {name: parent, **stream["shards"]}
        return answer

    def out_with_end(name: str, shard: dict) -> dict:
        shown = out(name, shard)
        if CLOSED in shard:
            shown["SequenceNumberRange"]["EndingSequenceNumber"] = shard[CLOSED]
        return shown

    def read_to_end(data: dict):
        position = kinesis._shard_iterators.get(data.get("ShardIterator"))
        answer = read(data)
        stream = kinesis._streams.get(position["stream"]) if position else None
        shard = stream["shards"].get(position["shard_id"]) if stream else None
        if answer[0] != 200 or shard is None or CLOSED not in shard:
            return answer
        content = json.loads(answer[2])
        if kinesis._shard_iterators[content["NextShardIterator"]]["position"] >= len(shard["records"]):
            del kinesis._shard_iterators[content.pop("NextShardIterator")]
            content["ChildShards"] = [
                {"ShardId": name, "ParentShards": [position["shard_id"]], "HashKeyRange": out(name, child)["HashKeyRange"]}
                for name, child in stream["shards"].items() if child.get("parent_shard_id") == position["shard_id"]
            ]
        return answer[0], answer[1], json.dumps(content).encode()

    kinesis._split_shard = split_and_keep
    kinesis._shard_out = out_with_end
    kinesis._get_records = read_to_end
    kinesis._route_to_shard = route


def route(hash_key: int, stream: dict) -> str:
    """The open shard whose range holds the hash key."""
    for name, shard in stream["shards"].items():
        if CLOSED not in shard and int(shard["starting_hash_key"]) <= hash_key <= int(shard["ending_hash_key"]):
            return name
    raise KeyError(f"no open shard takes {hash_key}")

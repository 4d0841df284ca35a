/**
 * What a million events cost in units of AWS, counted from the calls that the real adapters make: `node bench/aws-cost.ts`.
 * Realistic visits at a rate are spread over shards by their partition keys, batched as the event source mapping would, and
 * processed onto a model of DynamoDB that counts units by its rules:
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html. Nothing is asserted:
 * what it prints is kept in docs/cost.md by hand.
 */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import {
  type AttributeValue,
  BatchGetItemCommand,
  BatchWriteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import { DynamoEventStore } from '../src/adapters/aws/dynamo-event-store.ts';
import { Accept } from '../src/collect/accept.ts';
import { Numbering } from '../src/collect/numbering.ts';
import { segment } from '../src/collect/protocols/segment.ts';
import { LIMITS } from '../src/core/limits.ts';
import type { LaneRecord, LogRecord } from '../src/log/event-log.ts';
import { Visits } from '../src/main/load/visits.ts';
import { processBatch } from '../src/process/process-batch.ts';
import { FOLDS, TABLES } from '../tests/simulation/dynamo-protocol.ts';
import { MemoryDynamo } from '../tests/simulation/memory-dynamo.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '10000' },
    minutes: { type: 'string', default: '10' },
    shards: { type: 'string', default: '10' },
    'window-seconds': { type: 'string', default: '1' },
    'batch-max': { type: 'string', default: '100' },
    people: { type: 'string', default: '20000' },
    requests: { type: 'string', default: '1' },
    'journal-items': { type: 'string', default: String(LIMITS.journalItemsMax) },
  },
});
const perMinute = Number(values.rate);
const minutes = Number(values.minutes);
const shards = Number(values.shards);
const windowMs = Number(values['window-seconds']) * 1_000;
const batchMax = Number(values['batch-max']);
const perRequest = Number(values.requests);
/** 0: rows are written with every batch. */
const journalItemsMax = Number(values['journal-items']);

type Item = Record<string, AttributeValue>;

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html, item sizes and formats. */
function bytesOf(value: AttributeValue): number {
  if (value.S !== undefined) return Buffer.byteLength(value.S);
  if (value.B !== undefined) return value.B.length;
  if (value.N !== undefined) return Math.ceil(value.N.length / 2) + 1;
  if (value.M !== undefined) return 3 + itemBytes(value.M) + Object.keys(value.M).length;
  if (value.L !== undefined) return 3 + value.L.reduce((sum, one) => sum + bytesOf(one) + 1, 0);
  return 1;
}

function itemBytes(item: Item): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + bytesOf(value), 0);
}

const writes: Record<string, { calls: number; units: number; bytes: number }> = {};
let readUnits = 0;

function noteWrite(kind: string, bytes: number): void {
  const of = writes[kind] ?? { calls: 0, units: 0, bytes: 0 };
  writes[kind] = of;
  of.calls += 1;
  of.bytes += bytes;
  of.units += Math.ceil(bytes / 1_024);
}

const dynamo = new MemoryDynamo();
const { client } = dynamo;
const counting = {
  async send(command: unknown): Promise<unknown> {
    // The model takes any command.
    const answer = await (client.send as (any: unknown) => Promise<unknown>)(command);
    if (command instanceof PutItemCommand) {
      const { Item: item = {}, TableName } = command.input;
      const kind = TableName === TABLES.events ? 'event' : (item.pk?.S ?? '').split('\0')[0];
      noteWrite(kind ?? '', itemBytes(item));
      if (TableName === TABLES.events) {
        const { pk, sk, typeShard, typeOrder } = item;
        if (pk && sk && typeShard && typeOrder) noteWrite('index by type', itemBytes({ pk, sk, typeShard, typeOrder }));
      }
    }
    if (command instanceof BatchWriteItemCommand) {
      for (const requests of Object.values(command.input.RequestItems ?? {})) {
        for (const _ of requests) noteWrite('deletes', 4_000);
      }
    }
    const items =
      command instanceof GetItemCommand
        ? [(answer as { Item?: Item }).Item ?? {}]
        : command instanceof BatchGetItemCommand
          ? Object.values((answer as { Responses: Record<string, Item[]> }).Responses).flat()
          : [];
    for (const item of items) readUnits += Math.max(1, Math.ceil(itemBytes(item) / 4_096));
    if (command instanceof BatchGetItemCommand) {
      const asked = Object.values(command.input.RequestItems ?? {}).flatMap(({ Keys = [] }) => Keys).length;
      readUnits += asked - items.length;
    }
    if (command instanceof QueryCommand) readUnits += 1;
    return answer;
  },
};

// Collect: each request's records, by shard.
const lanes = Array.from({ length: shards }, (): { readonly atMs: number; readonly record: LaneRecord }[] => []);
let sequence = 0n;
let putBytes = 0;
let putUnits = 0;
let nowMs = Date.UTC(2026, 10, 25, 12);
const log = {
  async append(records: readonly LogRecord[]) {
    for (const { partitionKey, data } of records) {
      const hash = createHash('md5').update(partitionKey).digest().readUInt32BE(0);
      sequence += 1n;
      const bytes = Buffer.from(data);
      lanes[Math.floor((hash / 2 ** 32) * shards)]?.push({ atMs: nowMs, record: { sequence, data: bytes } });
      putBytes += bytes.length;
      putUnits += Math.ceil((bytes.length + partitionKey.length) / 25_600);
    }
    return records.map(() => ({ lane: 'x', sequence }));
  },
};
const accept = new Accept({ log, numbering: new Numbering('cost') });
const visits = new Visits({ seed: 1, run: 'cost', people: Number(values.people) });
const total = perMinute * minutes;
let requests = 0;
for (let event = 0; event < total; event += perRequest) {
  nowMs = Date.UTC(2026, 10, 25, 12) + (event * 60_000) / perMinute;
  const batch = Array.from({ length: perRequest }, () => {
    const planned = visits.next(nowMs);
    return JSON.parse(`${planned.openBody},"type":"${planned.path}"}`) as object;
  });
  const body = Buffer.from(JSON.stringify({ batch }));
  const mapped = segment.map({ method: 'POST', path: '/v1/batch', query: '', headers: {}, body, receivedAt: nowMs });
  if (mapped.kind !== 'events') throw new Error(`a batch was ${mapped.kind}`);
  await accept.accept(mapped, { source: 'default', receivedAt: nowMs });
  requests += 1;
}

// Process: each lane's batches end at the window or at their size.
const store = new DynamoEventStore({ client: counting as never, tables: TABLES, folds: FOLDS, journalItemsMax });
let invocations = 0;
let processMs = 0;
for (const [lane, records] of lanes.entries()) {
  for (let start = 0; start < records.length; ) {
    const until = (records[start]?.atMs ?? 0) + windowMs;
    let end = start;
    while (end < records.length && end - start < batchMax && (records[end]?.atMs ?? 0) < until) end += 1;
    const batch = records.slice(start, end).map(({ record }) => record);
    const started = performance.now();
    await processBatch({ lane: `shard-${lane}`, records: batch }, store);
    processMs += performance.now() - started;
    invocations += 1;
    start = end;
  }
}

const perEvent = (value: number) => (value / total).toFixed(3);
process.stdout.write(
  `${total} events at ${perMinute}/min in requests of ${perRequest}, ${shards} shards, window ${windowMs} ms: ${invocations} batches of ${(total / invocations).toFixed(1)} on average\n\n`,
);
process.stdout.write('| write | calls an event | units an event | bytes a call |\n| --- | --- | --- | --- |\n');
let writeUnits = 0;
for (const [kind, { calls, units, bytes }] of Object.entries(writes)) {
  writeUnits += units;
  process.stdout.write(`| ${kind} | ${perEvent(calls)} | ${perEvent(units)} | ${Math.round(bytes / calls)} |\n`);
}
process.stdout.write(`| all | | ${perEvent(writeUnits)} | |\n\n`);
process.stdout.write(
  `read units ${perEvent(readUnits)} an event; Kinesis ${Math.round(putBytes / total)} bytes and ${perEvent(putUnits)} PUT payload units an event; ` +
    `${perEvent(requests)} requests and ${perEvent(invocations)} invocations of the processor an event; its own CPU ${(processMs / total).toFixed(3)} ms an event on this machine\n`,
);

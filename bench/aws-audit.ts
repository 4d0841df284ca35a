/**
 * What an audit reads of a ledger that was sealed for a day, and for a month, at 10,000 requests a minute of one event each, the most
 * records that so many events can make; and what a deep one reads of 10,000 events: `node bench/aws-audit.ts`. The tables are dynalite's, in a process of their own, and say
 * themselves how many units each call took; seals and audits are those of the schedule. Nothing is asserted: what it
 * prints is kept in docs/cost.md by hand.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { deflateRawSync } from 'node:zlib';
import { BatchWriteItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createDynamoClient, type TableClient } from '../src/adapters/aws/dynamo-client.ts';
import { DynamoEventReader } from '../src/adapters/aws/dynamo-event-reader.ts';
import { DynamoEventStore } from '../src/adapters/aws/dynamo-event-store.ts';
import {
  type Item,
  keyOf,
  laneItem,
  NO_TOTALS,
  rowPk,
  rowSk,
  sequenceText,
  text,
  witnessItem,
} from '../src/adapters/aws/items.ts';
import type { TableNames } from '../src/adapters/aws/tables.ts';
import { LIMITS } from '../src/core/limits.ts';
import { answer, processBatch, seal } from '../src/pipeline.ts';
import { foldLedger, hourOf, LEDGER, type LedgerState, ledgerBucket, ledgerRows } from '../src/process/views/ledger.ts';
import { VIEWS } from '../src/process/views/registry.ts';
import { Cells, encodeSealed, noOutcomes, type SealedCollector } from '../src/query/sealed.ts';
import { startDynamo } from '../tests/emulators/dynamo.ts';
import { arrivalsOf } from './aws-arrivals.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const NOW_MS = Date.parse('2026-11-25T10:00:00.000Z');
const PER_MINUTE = 10_000;
/** As the stack has them by default: shards, and minutes between two audits. */
const SHARDS = 10;
const AUDIT_MINUTES = 5;
/** Environments of the collector at a time, and how long each lives. */
const COLLECTORS = 6;
const COLLECTOR_HOURS = 2;
const SOURCE = 'shop';

/** As long as those of Kinesis; in the order of arrival in a lane. */
const FIRST_SEQUENCE = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898n;

interface Filled {
  readonly endpoint: string;
  readonly tables: TableNames;
}

/** Everything that was done by the last audit in totals; since then, rows. */
async function fill(client: DynamoDBClient, tables: TableNames, days: number): Promise<void> {
  const rows = new Map<
    string,
    { readonly key: Parameters<typeof rowSk>[0] & Parameters<typeof rowPk>[0]; state: LedgerState; sequence: bigint }
  >();
  const sealedThrough = NOW_MS - (AUDIT_MINUTES * MINUTE_MS + LIMITS.ledgerClockMsMax);
  const dones = new Map<string, bigint>();
  const add = (collector: string, number: number, atMs: number) => {
    const lane = `shardId-${String((number * 7) % SHARDS).padStart(12, '0')}`;
    const sequence = (dones.get(lane) ?? FIRST_SEQUENCE) + 1_000_000_007n;
    dones.set(lane, sequence);
    const header = { collector, number, ackedThrough: number - 1, voids: [] };
    const hour = hourOf(new Date(atMs).toISOString());
    const key = { view: LEDGER.name, version: LEDGER.version, source: SOURCE, bucket: ledgerBucket(header), lane };
    const name = keyOf(key.bucket, lane);
    const row = rows.get(name) ?? { key, state: ledgerRows.empty(), sequence };
    const entry = { sequence, hour, count: 1, stored: 1, duplicate: 0, bad: 0, dead: 0 };
    row.state = foldLedger(row.state, { header, arrivedAtMs: atMs }, entry);
    row.sequence = sequence;
    rows.set(name, row);
  };
  const collectors = new Map<string, SealedCollector>();
  const witnesses: Item[] = [];
  const perCollector = (PER_MINUTE / COLLECTORS) * 60 * COLLECTOR_HOURS;
  const block = LIMITS.ledgerBlockNumbers;
  const nameOf = (place: number) => `0198f0c2-7d3e-7aaa-bbbb-${String(place).padStart(12, '0')}`;
  const generations = Math.ceil(Math.min(days * 24, LIMITS.lambdaCollectorHoursMax) / COLLECTOR_HOURS);
  // Oldest first, for sequences grow. Those that are over and not yet silent for long enough keep the rows of their last block.
  for (let generation = generations - 1; generation >= 0; generation -= 1) {
    for (let own = 0; own < COLLECTORS; own += 1) {
      const collector = nameOf(generation * COLLECTORS + own);
      const lastAtMs = NOW_MS - generation * COLLECTOR_HOURS * HOUR_MS;
      const isLive = generation === 0;
      const count = isLive ? Math.floor(perCollector / 2) : Math.floor(perCollector);
      const isOver = NOW_MS - lastAtMs > LIMITS.collectorSilentHours * HOUR_MS;
      const unsealed = isLive ? Math.floor(((NOW_MS - sealedThrough) / MINUTE_MS) * (PER_MINUTE / COLLECTORS)) : 0;
      const through = isOver ? count - 1 : Math.floor((count - unsealed) / block) * block - 1;
      collectors.set(collector, { through, lastAtMs, lost: [], unresolved: [] });
      if (isOver) continue;
      const msPerRecord = (MINUTE_MS * COLLECTORS) / PER_MINUTE;
      for (let number = through + 1; number < count; number += 1)
        add(collector, number, lastAtMs - (count - number) * msPerRecord);
      witnesses.push(
        witnessItem({
          collector,
          number: count - 1,
          lane: 'shardId-000000000000',
          sequence: FIRST_SEQUENCE,
          atMs: lastAtMs,
        }),
      );
    }
  }
  const cells = new Cells();
  let sealedEvents = 0;
  for (let hours = 0; hours < days * 24; hours += 1) {
    for (const lane of dones.keys()) {
      const events = (PER_MINUTE * 60) / SHARDS;
      sealedEvents += events;
      const hour = hourOf(new Date(NOW_MS - hours * HOUR_MS).toISOString());
      Object.assign(cells.of({ lane, source: SOURCE, hour }), {
        ...noOutcomes(),
        accepted: events,
        stored: events,
        copies: events,
      });
    }
  }
  const all = sealedEvents + [...rows.values()].reduce((sum, { state }) => sum + state.entries.size, 0);
  const { pk, sk } = { pk: keyOf('sources', LEDGER.name, LEDGER.version), sk: SOURCE };
  await write(client, tables.state, [
    { pk: text(pk), sk: text(sk) },
    ...[...dones].map(([lane, done], place) =>
      laneItem({
        lane,
        state: { done, registry: { [LEDGER.name]: LEDGER.version }, cuts: {}, arrivedAtMs: NOW_MS },
        totals: { ...NO_TOTALS, events: place === 0 ? all : 0 },
        ...{ journal: [], expiredThrough: undefined, hour: hourOf(new Date(NOW_MS).toISOString()), revision: 1 },
      }),
    ),
    ...witnesses,
    ...[...rows.values()].map(({ key, state, sequence }) => ({
      pk: text(rowPk(key)),
      sk: text(rowSk(key)),
      sequence: text(sequenceText(sequence)),
      value: { B: deflateRawSync(ledgerRows.encode(state)) },
    })),
  ]);
  const lanes = new Map([...dones.keys()].map((lane) => [lane, FIRST_SEQUENCE]));
  const sealed = { lanes, collectors, olderThrough: '', cells };
  const store = new DynamoEventStore({ client, tables, folds: [] });
  await store.seal({ from: 0, text: encodeSealed(sealed), rows: [], witnesses: [] });
}

/** So many events, by the way of every event. */
async function fillEvents(client: DynamoDBClient, tables: TableNames, count: number): Promise<void> {
  const load = { perMinute: PER_MINUTE, minutes: count / PER_MINUTE, shards: SHARDS, perRequest: 1, people: 5_000 };
  const store = new DynamoEventStore({ client, tables, folds: [...VIEWS, { ...LEDGER, ...ledgerRows }] });
  const { lanes } = await arrivalsOf(load);
  for (const [shard, arrivals] of lanes.entries()) {
    const records = arrivals.map(({ record }) => record);
    for (let start = 0; start < records.length; start += 100) {
      await processBatch({ lane: `shardId-${shard}`, records: records.slice(start, start + 100) }, store);
    }
  }
}

async function write(client: DynamoDBClient, table: string, items: readonly Item[]): Promise<void> {
  for (let start = 0; start < items.length; start += LIMITS.dynamoBatchWriteMax) {
    const requests = items.slice(start, start + LIMITS.dynamoBatchWriteMax).map((Item) => ({ PutRequest: { Item } }));
    await client.send(new BatchWriteItemCommand({ RequestItems: { [table]: requests } }));
  }
}

interface Units {
  read: number;
  write: number;
  calls: number;
}

/** Asks each call what it took. */
function counting(client: DynamoDBClient, units: Units): TableClient {
  const send = async (command: { readonly input: object }) => {
    Object.assign(command.input, { ReturnConsumedCapacity: 'TOTAL' });
    const answered = (await client.send(command as never)) as { readonly ConsumedCapacity?: unknown };
    const taken = [answered.ConsumedCapacity ?? []].flat() as readonly { readonly CapacityUnits?: number }[];
    const isRead = /^(Get|BatchGet|Query|Scan)/.test(command.constructor.name);
    for (const { CapacityUnits = 0 } of taken) units[isRead ? 'read' : 'write'] += CapacityUnits;
    units.calls += 1;
    return answered;
  };
  return { send: send as unknown as TableClient['send'] };
}

async function measure({ days = 0, events = 0 }: { readonly days?: number; readonly events?: number }): Promise<void> {
  const child = fork(import.meta.filename, ['--fill', '--days', String(days), '--events', String(events)]);
  const [{ endpoint, tables }] = (await once(child, 'message')) as [Filled];
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'none', AWS_SECRET_ACCESS_KEY: 'none' });
  const client = createDynamoClient({ endpoint, region: 'us-east-1' });
  const show = async (what: string, act: (client: TableClient) => Promise<string>) => {
    const units = { read: 0, write: 0, calls: 0 };
    const started = { ms: performance.now(), cpu: process.cpuUsage().user };
    const said = await act(counting(client, units));
    const ms = Math.round(performance.now() - started.ms);
    const cpuMs = Math.round((process.cpuUsage().user - started.cpu) / 1_000);
    const peakMb = Math.round(process.resourceUsage().maxRSS / 1_024);
    process.stdout.write(
      `${events > 0 ? `${events} events` : `${String(days).padStart(3)} days`}  ${what.padEnd(28)} ${String(Math.ceil(units.read)).padStart(6)} read, ${String(Math.ceil(units.write)).padStart(6)} write units, ` +
        `${String(units.calls).padStart(5)} calls, ${ms} ms, ${cpuMs} ms of processor, peak ${peakMb} MB: ${said}\n`,
    );
  };
  const log = {
    lanes: new Map(
      Array.from({ length: SHARDS }, (_, shard) => [`shardId-${String(shard).padStart(12, '0')}`, NOW_MS]),
    ),
    findings: [],
  };
  const audit = (of: TableClient, parameters: Readonly<Record<string, string>> = {}) =>
    answer(
      { path: '/api/v1/audit', parameters },
      {
        reader: new DynamoEventReader({ client: of, tables }),
        clock: () => NOW_MS,
        log: async () => log,
        report: (fault) => console.error(fault),
      },
    ).then(({ body }) => {
      const { balanced, accepted, problems } = JSON.parse(body);
      return `${body.length} bytes, accepted ${accepted}, balanced ${balanced}${problems?.length > 0 ? ` ${JSON.stringify(problems[0])}` : ''}`;
    });
  await show('nothing', async () => '');
  if (events > 0) {
    await show('a deep audit', (of) => audit(of, { deep: 'true' }));
    child.disconnect();
    return;
  }
  await show('an audit before sealing', audit);
  await show('the sealing', async (of) => {
    const store = new DynamoEventStore({ client: of, tables, folds: [] });
    const reader = new DynamoEventReader({ client: of, tables });
    const collectorMsMax = LIMITS.lambdaCollectorHoursMax * HOUR_MS;
    return `${await seal({ reader, store, nowMs: NOW_MS, log, collectorMsMax })} rows went`;
  });
  await show('the audit after it', audit);
  child.disconnect();
}

const { values } = parseArgs({
  options: { fill: { type: 'boolean' }, days: { type: 'string' }, events: { type: 'string' } },
});
const [days, events] = [Number(values.days ?? 0), Number(values.events ?? 0)];
if (values.fill === true) {
  const emulator = await startDynamo();
  if (events > 0) await fillEvents(emulator.client, emulator.tables, events);
  else await fill(emulator.client, emulator.tables, days);
  const at = await emulator.client.config.endpoint?.();
  process.send?.({
    endpoint: `${at?.protocol}//${at?.hostname}:${at?.port}`,
    tables: emulator.tables,
  } satisfies Filled);
  process.on('disconnect', () => process.exit());
} else if (days > 0 || events > 0) {
  await measure({ days, events });
} else {
  // Each in a process of its own, for its peak of memory.
  for (const of of [
    ['--days', '1'],
    ['--days', '30'],
    ['--events', '10000'],
  ]) {
    await once(fork(import.meta.filename, of), 'exit');
  }
}

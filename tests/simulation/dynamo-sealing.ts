/** Histories of sealing, audits and traffic at once, each drawn from its seed. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import type { TableClient } from '../../src/adapters/aws/dynamo-client.ts';
import { DynamoEventReader } from '../../src/adapters/aws/dynamo-event-reader.ts';
import { DynamoEventStore } from '../../src/adapters/aws/dynamo-event-store.ts';
import { LANE_PK, laneOf, SEALED_KEY, textOf } from '../../src/adapters/aws/items.ts';
import { addIdentities } from '../../src/core/identities.ts';
import type { LaneRecord, RecordPosition } from '../../src/log/event-log.ts';
import { decodeRecord } from '../../src/log/record.ts';
import { answer, seal } from '../../src/pipeline.ts';
import { processBatch } from '../../src/process/process-batch.ts';
import type { AuditResult } from '../../src/query/audit.ts';
import type { EventReader, Witness } from '../../src/store/event-store.ts';
import { MemoryEventStore } from '../contracts/memory-event-store.ts';
import { eventWith, recordOf } from '../events.ts';
import { seededRandom } from '../random.ts';
import { FOLDS, inDrawnOrder, type LanePlan, playOnDynamo, TABLES } from './dynamo-protocol.ts';
import { MemoryDynamo } from './memory-dynamo.ts';

const START_MS = Date.parse('2026-11-23T10:00:00.000Z');
const STEP_MS = 10 * 60_000;
const DAY_MS = 86_400_000;

interface Plan {
  readonly phases: readonly (readonly LanePlan[])[];
  /** What collectors tell of themselves, while records come and in the end. */
  readonly witnesses: readonly Witness[];
  readonly lastWitnesses: readonly Witness[];
  /** As `collector number`. */
  readonly lost: ReadonlySet<string>;
}

/**
 * Collectors that keep the rules of the ledger, over a lane that is split midway. Sequences of two lanes say nothing of which came
 * first, as in Kinesis. Some appends fail, some are written twice, and some that were acknowledged are gone from the log.
 */
function drawPlan(random: () => number): Plan {
  const below = (bound: number) => Math.floor(random() * bound);
  const lanes = new Map<string, LaneRecord[]>([
    ['parent', []],
    ['odd', []],
    ['even', []],
  ]);
  const bases = { parent: 1_000n, odd: 9_000n, even: 5_000n };
  const lost = new Set<string>();
  const witnesses: Witness[] = [];
  let place: RecordPosition = { lane: 'parent', sequence: 0n };
  const collectors = ['c1', 'c2'].map((collector) => ({
    collector,
    number: 0,
    voids: [] as number[],
    acked: -1,
    /** By its own count: what it acknowledged. */
    counted: { events: 0, identities: 0 },
  }));
  const steps = 8 + below(20);
  const sent: { readonly data: Uint8Array; readonly child: 'odd' | 'even' }[] = [];
  const split = below(steps);
  for (let step = 0; step < steps; step += 1) {
    const of = collectors[below(2)];
    if (of === undefined) throw new Error('unreachable');
    const { collector, number } = of;
    const atMs = START_MS + step * STEP_MS;
    const receivedAt = new Date(atMs).toISOString();
    const event = eventWith({
      eventId: `${collector}-${number}`,
      anonymousId: `a${below(3)}`,
      receivedAt,
      createdAt: receivedAt,
      timestamp: receivedAt,
    });
    const data = recordOf([event], { collector, number, ackedThrough: number - 1, voids: [...of.voids], receivedAt });
    of.number += 1;
    const fate = below(8);
    if (fate === 0) {
      of.voids.push(number);
      continue;
    }
    const child = event.anonymousId === 'a1' ? 'odd' : 'even';
    const lane = step < split ? 'parent' : child;
    const records = lanes.get(lane) ?? [];
    const copies = fate === 1 ? 0 : fate === 2 ? 2 : 1;
    if (copies === 0) lost.add(`${collector} ${number}`);
    for (let copy = 0; copy < copies; copy += 1) {
      records.push({ sequence: bases[lane] + BigInt(records.length), data, arrivedAtMs: atMs + copy });
    }
    if (copies > 0) sent.push({ data, child });
    // A copy may come long after its record is settled.
    const again = below(4) === 0 ? sent[below(sent.length)] : undefined;
    if (again !== undefined) {
      const of = step < split ? 'parent' : again.child;
      const late = lanes.get(of) ?? [];
      late.push({ sequence: bases[of] + BigInt(late.length), data: again.data, arrivedAtMs: atMs + 5 });
    }
    of.acked = number;
    const { identities = Number.NaN } = decodeRecord(data).header;
    of.counted = { events: of.counted.events + 1, identities: addIdentities(of.counted.identities, identities) };
    // A shard that lost all it ever had is none that anybody would have seen.
    if (records.length > 0) place = { lane, sequence: bases[lane] + BigInt(records.length) - 1n };
    witnesses.push({ collector, number, ...place, atMs: atMs + 10, counted: of.counted });
    // What an acknowledged record told of is not told again.
    for (const failed of of.voids.splice(0)) if (copies === 0) lost.add(`${collector} ${failed}`);
  }
  const planOf = (lane: string) => ({ lane, records: lanes.get(lane) ?? [] });
  const isThere = ({ records }: LanePlan) => records.length > 0;
  const phases = [[planOf('parent')].filter(isThere), [planOf('odd'), planOf('even')].filter(isThere)];
  const lastWitnesses = collectors.flatMap(({ collector, acked: number, counted }) => {
    const last = { collector, number, counted, ...place, atMs: START_MS + steps * STEP_MS };
    return number < 0 ? [] : [last];
  });
  return { phases, witnesses, lastWitnesses, lost };
}

/** What looking at the shards would say: a lane of which nothing is left, with the time. */
async function lanesOf(reader: EventReader, plan: Plan, nowMs: number) {
  const lanes = await reader.snapshot((reads) => reads.lanes());
  const isDone = ({ lane, records }: LanePlan) => (lanes.get(lane)?.done ?? -1n) >= (records.at(-1)?.sequence ?? -1n);
  // The split takes place when the parent is done.
  const [before = [], after = []] = plan.phases;
  const listed = before.every(isDone) ? [...before, ...after] : before;
  const times = listed.map((of) => [of.lane, isDone(of) ? nowMs : undefined] as const);
  return { lanes: new Map(times), findings: [] };
}

async function auditOf(
  reader: EventReader,
  plan: Plan,
  { nowMs, deep }: { readonly nowMs: number; readonly deep: boolean },
) {
  const { status, body } = await answer(
    { path: '/api/v1/audit', parameters: { deep: String(deep) } },
    { reader, clock: () => nowMs, log: () => lanesOf(reader, plan, nowMs), report: () => undefined },
  );
  return status === 200 ? (JSON.parse(body) as AuditResult) : undefined;
}

/** What is named must have been planted; everything else that an audit finds is a false alarm. */
function alarmsIn({ problems }: AuditResult, { lost }: Plan): readonly string[] {
  return problems.flatMap(({ kind, collector, number, detail }) => {
    const isPlanted = kind === 'records_lost' && lost.has(`${collector} ${number}`);
    return isPlanted ? [] : [`${kind}: ${detail}`];
  });
}

/** No history ends for a timer. */
const SNAPSHOT_MS_MAX = 1e9;

function readerOn(client: TableClient): DynamoEventReader {
  return new DynamoEventReader({ client, tables: TABLES, snapshotMsMax: SNAPSHOT_MS_MAX });
}

/** Beside traffic: some that seal, of which the puts of totals may come late, so that others seal and take rows away in between, and an audit. */
function sealersOn(
  table: MemoryDynamo,
  {
    plan,
    random,
    ...settings
  }: { readonly plan: Plan; readonly random: () => number; readonly nowMs: number; readonly blockNumbers: number },
) {
  let sealers = 0;
  const turns = async (most: number) => {
    for (let left = Math.floor(random() * most); left > 0; left -= 1) await table.faults.turn();
  };
  const dawdling: TableClient = {
    ...table.client,
    send: (async (command: Parameters<TableClient['send']>[0]) => {
      const isOfTotals = command instanceof PutItemCommand && command.input.Item?.pk?.S === SEALED_KEY.pk;
      if (isOfTotals && random() < 0.5) await turns(120);
      return table.client.send(command);
    }) as TableClient['send'],
  };
  return {
    pass: async () => {
      sealers += 1;
      const store = storeOn(dawdling, `sealing-${sealers}`);
      const reader = readerOn(dawdling);
      const log = await lanesOf(reader, plan, settings.nowMs);
      return seal({ reader, store, log, ...settings });
    },
    /** Until each has seen the same, nothing settles: so they begin anew, at any time. */
    pause: () => turns(20),
  };
}

function doneOf(table: MemoryDynamo, lane: string): bigint {
  const state = table.tables.get(TABLES.state)?.values() ?? [];
  const item = [...state].find((found) => textOf(found, 'pk') === LANE_PK && textOf(found, 'sk') === lane);
  return item === undefined ? -1n : laneOf(item).state.done;
}

function storeOn(client: TableClient, name: string): DynamoEventStore {
  return new DynamoEventStore({ client, tables: TABLES, folds: FOLDS, attempt: () => name });
}

/**
 * One lane and one collector, whose records come one by one, each in its row at once and each told of by a witness, while some seal and others audit: so each record
 * is settled when the next one comes, and rows come and go. Nothing fails; only the order of calls is drawn.
 */
async function problemsOfSealers(seed: number): Promise<readonly string[]> {
  const random = seededRandom(seed);
  const dynamo = new MemoryDynamo();
  const place = { lane: 'lane', nowMs: START_MS, blockNumbers: 1 };
  const records = Array.from({ length: 5 + Math.floor(random() * 6) }, (_, number): LaneRecord => {
    const event = eventWith({ eventId: `e${number}`, anonymousId: 'a' });
    return { sequence: BigInt(number), data: recordOf([event], { collector: 'c', number, ackedThrough: number - 1 }) };
  });
  const plan = { phases: [[{ lane: place.lane, records }]], witnesses: [], lastWitnesses: [], lost: new Set<string>() };
  const sealers = sealersOn(dynamo, { plan, random, ...place });
  const alarms: string[] = [];
  await inDrawnOrder(dynamo, random, async () => {
    let areDone = false;
    const sealing = async () => {
      while (!areDone) await sealers.pass();
    };
    const auditing = async () => {
      while (!areDone) {
        const audit = await auditOf(readerOn(dynamo.client), plan, { nowMs: START_MS, deep: random() < 0.5 });
        if (audit !== undefined) alarms.push(...alarmsIn(audit, plan));
      }
    };
    const others = [sealing(), sealing(), sealing(), auditing(), auditing()];
    let identities = 0;
    for (const record of records) {
      const options = { client: dynamo.client, tables: TABLES, folds: FOLDS, journalItemsMax: 0 };
      const store = new DynamoEventStore({ ...options, clock: () => START_MS, attempt: () => `of ${record.sequence}` });
      await processBatch({ lane: place.lane, records: [record] }, store);
      const { sequence } = record;
      identities = addIdentities(identities, decodeRecord(record.data).header.identities ?? Number.NaN);
      const counted = { events: Number(sequence) + 1, identities };
      const number = Number(sequence);
      await store.witness({ collector: 'c', number, counted, lane: place.lane, sequence, atMs: START_MS });
    }
    areDone = true;
    await Promise.all(others);
  });
  if (alarms.length > 0) return alarms;
  const result = await auditOf(readerOn(dynamo.client), plan, { nowMs: START_MS, deep: true });
  const { accepted, redelivered, stored, balanced } = result ?? {};
  return isDeepStrictEqual([accepted, redelivered, stored, balanced], [records.length, 0, records.length, true])
    ? []
    : [
        `of ${records.length} records ${accepted} accepted, ${redelivered} redelivered, ${stored} stored, balanced ${balanced}`,
      ];
}

/** What is wrong with the histories of a seed, first of all what audits said wrongly; nothing, when they are right. */
export async function problemsOfSealing(seed: number): Promise<readonly string[]> {
  const problems = await problemsOfSealers(seed);
  return problems.length > 0 ? problems : problemsAmidTraffic(seed);
}

/** What is wrong with a history, first of all what audits said wrongly; nothing, when it is right. Throws when it cannot be played. */
async function problemsAmidTraffic(seed: number): Promise<readonly string[]> {
  const random = seededRandom(seed);
  const plan = drawPlan(random);
  const nowMs = START_MS + DAY_MS;
  const blockNumbers = 1 + Math.floor(random() * 2);
  const alarms: string[] = [];
  const dynamo = await playOnDynamo(plan.phases, random, async (table, isOver) => {
    const sealers = sealersOn(table, { plan, random, nowMs, blockNumbers });
    const sealing = async () => {
      while (!isOver()) {
        await sealers.pass().catch(() => undefined);
        await sealers.pause();
      }
    };
    const auditing = async () => {
      while (!isOver()) {
        const deep = random() < 0.3;
        const result = await auditOf(readerOn(table.client), plan, { nowMs, deep }).catch(() => undefined);
        if (result !== undefined) alarms.push(...alarmsIn(result, plan));
      }
    };
    const witnessing = async () => {
      for (const witness of plan.witnesses) {
        // It would hide those before it: a collector tells of itself once a second, and its records are soon done.
        while (!isOver() && doneOf(table, witness.lane) + BigInt(Math.floor(random() * 3)) < witness.sequence) {
          await table.faults.turn();
        }
        await storeOn(table.client, 'unused')
          .witness(witness)
          .catch(() => undefined);
      }
    };
    await Promise.all([witnessing(), auditing(), ...Array.from({ length: 2 + Math.floor(random() * 3) }, sealing)]);
  });
  if (alarms.length > 0) return alarms;

  const once = new MemoryEventStore();
  for (const { lane, records } of plan.phases.flat()) {
    for (const record of records) await processBatch({ lane, records: [record] }, once);
  }
  const reader = readerOn(dynamo.client);
  const store = storeOn(dynamo.client, 'afterwards');
  for (const witness of plan.lastWitnesses) for (const home of [once, store]) await home.witness(witness);
  const said = async (from: EventReader, atMs: number) => {
    const result = await auditOf(from, plan, { nowMs: atMs, deep: true });
    if (result === undefined) throw new Error('the audit gave no answer');
    const { accepted, redelivered, stored, duplicate, lost, sources, balanced } = result;
    // Which of two copies in two lanes is the further one is not said.
    const hours = result.hours.map(({ lane, hour, ...of }) =>
      JSON.stringify([lane, hour, of.accepted + of.redelivered, of.stored, of.duplicate, of.bad, of.dead, of.pending]),
    );
    hours.sort();
    return { accepted, redelivered, stored, duplicate, lost, sources, balanced, hours };
  };
  const expected = await said(once, nowMs);
  const problems: string[] = [];
  const hold = (what: string, compare: () => void) => {
    try {
      compare();
    } catch (thrown) {
      problems.push(`${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    }
  };
  hold('lost as planted', () => assert.equal(expected.lost, plan.lost.size));
  const played = await said(reader, nowMs);
  hold('as each record once', () => assert.deepEqual(played, expected));
  // Once its collectors are dead nothing is left but totals, and they still say what was lost.
  const laterMs = nowMs + 3 * DAY_MS;
  for (let pass = 0; pass < 2; pass += 1) {
    await seal({ reader, store, nowMs: laterMs, log: await lanesOf(reader, plan, laterMs), blockNumbers });
  }
  const later = await said(reader, laterMs);
  hold('the same of totals alone', () => assert.deepEqual(later, expected));
  const left = dynamo.itemsOf(TABLES.state).filter((item) => /^(row\0ledger|witness)/.test(textOf(item, 'pk')));
  hold('nothing left', () => assert.deepEqual(left, []));
  return problems;
}

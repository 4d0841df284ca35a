import { expect, test } from 'vitest';
import { DynamoEventReader } from '../../src/adapters/aws/dynamo-event-reader.ts';
import { DynamoEventStore } from '../../src/adapters/aws/dynamo-event-store.ts';
import { textOf } from '../../src/adapters/aws/items.ts';
import type { LaneRecord } from '../../src/log/event-log.ts';
import { answer, seal } from '../../src/pipeline.ts';
import { processBatch } from '../../src/process/process-batch.ts';
import type { AuditResult } from '../../src/query/audit.ts';
import type { EventReader } from '../../src/store/event-store.ts';
import { MemoryEventStore } from '../contracts/memory-event-store.ts';
import { eventWith, recordOf } from '../events.ts';
import { seededRandom } from '../random.ts';
import { FOLDS, type LanePlan, playOnDynamo, TABLES } from './dynamo-protocol.ts';
import type { MemoryDynamo } from './memory-dynamo.ts';

const START_MS = Date.parse('2026-11-23T10:00:00.000Z');
const STEP_MS = 10 * 60_000;
const DAY_MS = 86_400_000;

interface Plan {
  readonly phases: readonly (readonly LanePlan[])[];
  readonly witnesses: readonly { readonly collector: string; readonly number: number; readonly atMs: number }[];
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
  const collectors = ['c1', 'c2'].map((collector) => ({
    collector,
    number: 0,
    voids: [] as number[],
    toldOf: new Set<number>(),
    acked: -1,
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
    if (copies > 0) for (const failed of of.voids) of.toldOf.add(failed);
  }
  const planOf = (lane: string) => ({ lane, records: lanes.get(lane) ?? [] });
  const isThere = ({ records }: LanePlan) => records.length > 0;
  const phases = [[planOf('parent')].filter(isThere), [planOf('odd'), planOf('even')].filter(isThere)];
  const witnesses = collectors.map(({ collector, acked: number }) => ({
    collector,
    number,
    atMs: START_MS + steps * STEP_MS,
  }));
  for (const { collector, acked, voids, toldOf } of collectors) {
    // Of a failed append that only lost records told of, nobody can say that it failed.
    for (const number of voids) if (number <= acked && !toldOf.has(number)) lost.add(`${collector} ${number}`);
  }
  return { phases, witnesses: witnesses.filter(({ number }) => number >= 0), lost };
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

function storeOn(dynamo: MemoryDynamo): DynamoEventStore {
  let attempts = 0;
  const attempt = () => {
    attempts += 1;
    return `sealing-${attempts}`;
  };
  return new DynamoEventStore({ client: dynamo.client, tables: TABLES, folds: FOLDS, attempt });
}

async function play(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const plan = drawPlan(random);
  const nowMs = START_MS + DAY_MS;
  const blockNumbers = 1 + Math.floor(random() * 4);
  const alarms: string[] = [];
  const dynamo = await playOnDynamo(plan.phases, random, async (table, isOver) => {
    const reader = new DynamoEventReader({ client: table.client, tables: TABLES });
    const store = storeOn(table);
    const sealing = async () => {
      while (!isOver()) {
        await lanesOf(reader, plan, nowMs)
          .then((log) => seal({ reader, store, nowMs, log, blockNumbers }))
          .catch(() => undefined);
      }
    };
    const auditing = async () => {
      while (!isOver()) {
        const deep = random() < 0.3;
        const result = await auditOf(reader, plan, { nowMs, deep }).catch(() => undefined);
        if (result !== undefined) alarms.push(...alarmsIn(result, plan));
      }
    };
    await Promise.all([sealing(), auditing(), ...(random() < 0.5 ? [sealing(), sealing()] : [])]);
  });
  expect(alarms).toEqual([]);

  const once = new MemoryEventStore();
  for (const { lane, records } of plan.phases.flat()) {
    for (const record of records) await processBatch({ lane, records: [record] }, once);
  }
  const reader = new DynamoEventReader({ client: dynamo.client, tables: TABLES });
  const store = storeOn(dynamo);
  const [place] = plan.phases.flat();
  for (const witness of plan.witnesses) {
    for (const home of [once, store]) await home.witness({ ...witness, lane: place?.lane ?? '', sequence: 1n });
  }
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
  expect(expected.lost).toBe(plan.lost.size);
  expect(await said(reader, nowMs)).toEqual(expected);
  // Once its collectors are dead nothing is left but totals, and they still say what was lost.
  const laterMs = nowMs + 3 * DAY_MS;
  for (let pass = 0; pass < 2; pass += 1) {
    await seal({ reader, store, nowMs: laterMs, log: await lanesOf(reader, plan, laterMs), blockNumbers });
  }
  expect(await said(reader, laterMs)).toEqual(expected);
  const left = dynamo.itemsOf(TABLES.state).filter((item) => /^(row\0ledger|witness)/.test(textOf(item, 'pk')));
  expect(left).toEqual([]);
}

test('sealing amid traffic over a split, with faults and zombies: no false alarm, every loss named, the same totals', async () => {
  const first = Number(process.env.SEED ?? 1);
  for (let seed = first; seed < first + Number(process.env.HISTORIES ?? 150); seed += 1) {
    await play(seed).catch((cause: unknown) => {
      throw new Error(`seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    });
  }
}, 600_000);

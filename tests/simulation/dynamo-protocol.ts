import { inflateRawSync } from 'node:zlib';
import { DynamoTable } from '../../src/adapters/aws/dynamo-client.ts';
import { DynamoErasures, isErasedLink, readPending } from '../../src/adapters/aws/dynamo-erasures.ts';
import { DynamoEventStore } from '../../src/adapters/aws/dynamo-event-store.ts';
import {
  type Item,
  journalOf,
  journalPk,
  journalSequence,
  keyOf,
  laneOf,
  numberOf,
  partsOf,
  sequenceOf,
  storedEventOf,
  textOf,
} from '../../src/adapters/aws/items.ts';
import type { LaneRecord } from '../../src/log/event-log.ts';
import { processBatch } from '../../src/process/process-batch.ts';
import { LEDGER, ledgerRows } from '../../src/process/views/ledger.ts';
import { VIEWS } from '../../src/process/views/registry.ts';
import type { RowKey } from '../../src/store/event-store.ts';
import type { MemoryEventStore } from '../contracts/memory-event-store.ts';
import { MemoryDynamo } from './memory-dynamo.ts';

export const TABLES = { events: 'events', state: 'state' };
/** Of one that backs off, at most. A history's others go on meanwhile for some calls each. */
const SLEEP_TURNS = 150;
/** After all that histories have. */
const PLAYED_AT_MS = Date.parse('2030-01-01T00:00:00.000Z');
export const FOLDS = [...VIEWS, { ...ledgerRows, ...LEDGER }];

/** Records of one lane. */
export interface LanePlan {
  readonly lane: string;
  readonly records: readonly LaneRecord[];
}

/**
 * The records as shards hold them, in phases: all in one, or in a parent that was split midway, whose children begin when it is
 * done. A visitor's records lie in one child.
 */
export function drawLanes(records: readonly LaneRecord[], random: () => number): readonly (readonly LanePlan[])[] {
  if (random() < 0.5) return [[{ lane: 'lane', records }]];
  const cut = Math.floor(random() * records.length);
  const [before, after] = [records.slice(0, cut), records.slice(cut)];
  const children = Map.groupBy(after, (record) =>
    visitorIn(record).charCodeAt(0) % 2 === 0 ? 'lane-even' : 'lane-odd',
  );
  return [
    before.length === 0 ? [] : [{ lane: 'lane', records: before }],
    [...children].map(([lane, own]) => ({ lane, records: own })),
  ];
}

/**
 * As its header says it; a record that cannot be read lies anywhere. One that has an event of whom the history erases, in a record of
 * another, is dead or forgotten, whichever of the two came first; so both lie in one lane.
 */
function visitorIn({ data }: LaneRecord): string {
  const text = Buffer.from(data).toString();
  return text.includes('"anonymousId":"a"') ? 'a' : (/"visitor":"([^"]*)"/.exec(text)?.[1] ?? '');
}

/**
 * Plays the records of lanes as an event source mapping does, on a table that throttles, loses answers and gives back keys
 * unprocessed: batches of any size from the checkpoint on, tried again and cut in two when they fail, while tries that were
 * given up as timed out go on beside the next ones. The order of all calls is drawn. Ends when every record is done.
 */
export async function playOnDynamo(
  phases: readonly (readonly LanePlan[])[],
  random: () => number,
  /** What else is done on the table meanwhile, until the records are. */
  beside: (dynamo: MemoryDynamo, isOver: () => boolean) => Promise<void> = async () => undefined,
): Promise<MemoryDynamo> {
  const dynamo = new MemoryDynamo();
  const below = (bound: number) => Math.floor(random() * bound);
  const trouble = random() < 0.5 ? 0.03 : 0.15;
  const isTroubled = () => random() < trouble;
  dynamo.faults = { ...dynamo.faults, isThrottled: isTroubled, isLost: isTroubled, isUnprocessed: isTroubled };
  let attempts = 0;
  const invoke = async (lane: string, batch: readonly LaneRecord[], folds: number): Promise<void> => {
    // Each invocation has an environment of its own, or an older one's.
    const attempt = () => {
      attempts += 1;
      return `attempt-${attempts}`;
    };
    const store = new DynamoEventStore({
      client: dynamo.client,
      tables: TABLES,
      folds: FOLDS,
      journalItemsMax: folds,
      attempt,
      // Nothing is deleted while anything is under way, and no history depends on the day on which it is played.
      clock: () => PLAYED_AT_MS,
      erasureDelayMs: 1e13,
    });
    for (let rest = batch; rest.length > 0; ) {
      const { done } = await processBatch({ lane, records: rest }, store);
      rest = rest.filter(({ sequence }) => sequence > done);
    }
  };
  const running = new Set<Promise<void>>();
  const drive = async ({ lane, records }: LanePlan) => {
    for (let start = 0; start < records.length; ) {
      let size = 1 + below(6);
      for (;;) {
        const work = invoke(lane, records.slice(start, start + size), below(4)).then(
          () => true,
          () => false,
        );
        const ended = work.then(() => undefined);
        running.add(ended);
        void ended.finally(() => running.delete(ended));
        // A try that takes too long is given up, and goes on all the same.
        const outcome = await Promise.race([work, patience(below(60) + 20, dynamo)]);
        if (outcome === true) break;
        if (random() < 0.3) size = Math.max(1, Math.floor(size / 2));
      }
      start += size;
    }
  };
  await inDrawnOrder(dynamo, random, async () => {
    let areDone = false;
    const others = beside(dynamo, () => areDone);
    for (const lanes of phases) await Promise.all(lanes.map(drive));
    await Promise.all(running);
    areDone = true;
    await others;
  });
  const never = () => false;
  dynamo.faults = { ...dynamo.faults, isThrottled: never, isLost: never, isUnprocessed: never };
  if (random() < 0.5) await deleteErased(dynamo);
  return dynamo;
}

/** Of all calls that wait for the table, one after another is drawn, until the work is done. */
export async function inDrawnOrder(
  dynamo: MemoryDynamo,
  random: () => number,
  work: () => Promise<unknown>,
): Promise<void> {
  const waiting: (() => void)[] = [];
  const turn = () => new Promise<void>((resolve) => waiting.push(resolve));
  const sleep = async () => {
    for (let turns = Math.floor(random() * SLEEP_TURNS); turns > 0; turns -= 1) await turn();
  };
  dynamo.faults = { ...dynamo.faults, turn, sleep };
  let isOver = false;
  const all = work().finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await new Promise((resolve) => setImmediate(resolve));
    const [next] = waiting.splice(Math.floor(random() * waiting.length), 1);
    next?.();
  }
  await all;
  dynamo.faults = { ...dynamo.faults, turn: async () => undefined, sleep: async () => undefined };
}

/** What is due once everything that began before is dead. */
async function deleteErased(dynamo: MemoryDynamo): Promise<void> {
  const [events, state] = [TABLES.events, TABLES.state].map((name) => new DynamoTable(dynamo.client, name));
  if (events === undefined || state === undefined) return;
  const erasures = new DynamoErasures({ events, state, delayMs: 0 });
  await erasures.delete((await erasures.pending()).all);
}

/** So many turns of the table's scheduler. */
async function patience(turns: number, dynamo: MemoryDynamo): Promise<undefined> {
  for (let turn = 0; turn < turns; turn += 1) await dynamo.faults.turn();
  return undefined;
}

/** What the tables say in the end, as plain values: rows with what their journal adds. */
export async function saidByDynamo(dynamo: MemoryDynamo): Promise<unknown> {
  const items = dynamo.itemsOf(TABLES.state);
  const of = (kind: string) => items.filter((item) => partsOf(textOf(item, 'pk'))[0] === kind);
  const lanes = of('lane').map(laneOf);
  const erased = await readPending(new DynamoTable(dynamo.client, TABLES.state));
  const all = dynamo.itemsOf(TABLES.events);
  const visible = all.filter((item) => !erased.hides(item));
  const removed = of('removed').reduce((sum, item) => sum + numberOf(item, 'events'), 0);
  const rows = new Map<string, { readonly key: RowKey; text: string; readonly through: bigint }>();
  for (const item of of('row')) {
    const [, view = '', version = '', source = ''] = partsOf(textOf(item, 'pk'));
    const [bucket = '', lane = ''] = partsOf(textOf(item, 'sk'));
    const key = { view, version: Number(version), source, bucket, lane };
    rows.set(rowName(key), { key, text: inflated(item), through: sequenceOf(item) });
  }
  for (const { lane, journal } of lanes) {
    for (const name of journal) {
      const item = items.find((found) => textOf(found, 'pk') === journalPk(lane) && textOf(found, 'sk') === name);
      if (item === undefined) throw new Error('a journal item that its lane names is not there');
      const sequence = journalSequence(name);
      const { deltas, rows: named } = journalOf(sequence, inflated(item));
      for (const { view, version, source, bucket, deltas: places } of named) {
        const key = { view, version, source, bucket, lane };
        const fold = FOLDS.find((known) => known.name === view && known.version === version);
        const before = rows.get(rowName(key));
        if (fold === undefined || (before !== undefined && before.through >= sequence)) continue;
        const state = before === undefined ? fold.empty() : fold.decode(before.text);
        const more = places.map((place) => fold.decode(deltas[place] ?? ''));
        rows.set(rowName(key), {
          key,
          text: fold.encode(fold.absorb(state as never, more as never, bucket) as never),
          through: sequence,
        });
      }
    }
  }
  return {
    events: visible.map(storedEventOf).sort(byPlace),
    visitors: of('visitor')
      .map((item) => [textOf(item, 'pk'), sequenceOf(item), textOf(item, 'state')])
      .filter(([, , state]) => state !== ''),
    links: of('link')
      .filter((item) => !isErasedLink(item, erased))
      .map((item) => `${textOf(item, 'pk')} ${textOf(item, 'sk')}`)
      .sort(),
    rows: [...rows.values()].map(({ key, text }) => `${rowName(key)} ${text}`).sort(),
    bad: of('bad').map((item) => [
      sequenceOf({ sequence: { S: partsOf(textOf(item, 'sk'))[0] ?? '' } }),
      textOf(item, 'code'),
    ]),
    dead: of('dead')
      .map((item) => BigInt(textOf(item, 'sk')))
      .sort(byNumber),
    done: lanes.map(({ lane, state }) => `${lane} ${state.done}`).sort(),
    totals: sumOf([
      ...lanes.map(({ totals }) => totals),
      { events: visible.length - all.length - removed, bad: 0, dead: 0, visitors: 0 },
    ]),
  };
}

/** The same of a store in memory to which each record was applied once, in order. */
export async function saidByMemory(store: MemoryEventStore): Promise<unknown> {
  return store.snapshot(async (reads) => {
    const views = await Promise.all(FOLDS.map(({ name }) => reads.rows({ view: name, from: '', to: '~' })));
    const { events, bad, dead, visitors } = await reads.totals();
    return {
      events: [...(await reads.events({ order: 'asc', limit: 10_000 }))].sort(byPlace),
      links: store.links
        .map(({ userId, source, visitor }) => `${keyOf('link', userId)} ${keyOf(source, visitor)}`)
        .sort(),
      visitors: [...store.visitors]
        .map(([name, { sequence, state }]) => [keyOf('visitor', name), sequence, state] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
      rows: views
        .flat()
        .map(({ key, text }) => `${rowName(key)} ${text}`)
        .sort(),
      bad: [...(await reads.badReasons({ limit: 1_000 }))]
        .reverse()
        .map(({ position, code }) => [position.sequence, code]),
      dead: [...(await reads.dead(1_000))].reverse().map(({ sequence }) => sequence),
      done: [...(await reads.lanes())].map(([lane, { done }]) => `${lane} ${done}`).sort(),
      totals: { events, bad, dead, visitors },
    };
  });
}

function sumOf(totals: readonly Record<'events' | 'bad' | 'dead' | 'visitors', number>[]) {
  const sum = { events: 0, bad: 0, dead: 0, visitors: 0 };
  for (const { events, bad, dead, visitors } of totals) {
    sum.events += events;
    sum.bad += bad;
    sum.dead += dead;
    sum.visitors += visitors;
  }
  return sum;
}

function inflated(item: Item): string {
  return inflateRawSync(item.value?.B ?? new Uint8Array()).toString();
}

function byNumber(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function rowName({ view, version, source, bucket, lane }: RowKey): string {
  return [view, version, source, bucket, lane].join(' ');
}

function byPlace(a: { readonly position: { readonly sequence: bigint; readonly index: number } }, b: typeof a): number {
  return Number(a.position.sequence - b.position.sequence) || a.position.index - b.position.index;
}

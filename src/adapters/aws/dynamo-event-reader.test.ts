import { deflateRawSync } from 'node:zlib';
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  type DynamoDBClient,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { anEvent, FACTS } from '../../../tests/contracts/store-writing.ts';
import { type DynamoEmulator, startDynamo } from '../../../tests/emulators/dynamo.ts';
import { type Event, identityOf, visitorOf } from '../../core/event.ts';
import { LIMITS } from '../../core/limits.ts';
import type { EventPosition, EventRange, EventReads, RowKey, StoredEvent } from '../../store/event-store.ts';
import { DynamoTable } from './dynamo-client.ts';
import { DynamoEventReader } from './dynamo-event-reader.ts';
import {
  badAttributes,
  badPk,
  badSk,
  deadAttributes,
  deadPk,
  eventItem,
  type Item,
  journalPk,
  journalText,
  KINDS_PK,
  keyOf,
  LANE_PK,
  laneItem,
  NO_TOTALS,
  number,
  REBUILD_PK,
  rowPk,
  rowSk,
  type StoredLane,
  sequenceText,
  text,
  textOf,
} from './items.ts';
import { partKeys, putLarge } from './large-values.ts';
import type { TableNames } from './tables.ts';

let emulator: DynamoEmulator;
let tables: TableNames;
let state: DynamoTable;
let reader: DynamoEventReader;
beforeAll(async () => {
  emulator = await startDynamo();
});
afterAll(() => emulator.close());
beforeEach(async () => {
  tables = await emulator.newTables();
  state = new DynamoTable(emulator.client, tables.state);
  reader = new DynamoEventReader({ client: emulator.client, tables });
});

function read<T>(reads: (reads: EventReads) => Promise<T>, client?: Sending): Promise<T> {
  return (client === undefined ? reader : new DynamoEventReader({ client, tables })).snapshot(reads);
}

type Sending = Pick<DynamoDBClient, 'send'>;
type Command = { readonly input: object };

/** A client that tells of each command before it is sent, and may change what comes back. */
function listening(
  before: (command: Command) => Promise<void>,
  change: (command: Command, answer: object) => object = (_, answer) => answer,
): Sending {
  const send = async (command: Command) => {
    await before(command);
    return change(command, await emulator.client.send(command as never));
  };
  return { send: send as unknown as Sending['send'] };
}

async function putAll(table: string, items: readonly Item[]): Promise<void> {
  for (let start = 0; start < items.length; start += LIMITS.dynamoBatchWriteMax) {
    const requests = items.slice(start, start + LIMITS.dynamoBatchWriteMax).map((Item) => ({ PutRequest: { Item } }));
    await emulator.client.send(new BatchWriteItemCommand({ RequestItems: { [table]: requests } }));
  }
}

function itemOf(event: Event, position: EventPosition): Item {
  const { source, receivedAt, ...body } = event;
  return eventItem({
    identity: identityOf(event),
    position,
    visitor: { source, visitor: visitorOf(event) },
    eventType: event.eventType,
    timestamp: event.timestamp,
    receivedAt,
    facts: JSON.stringify(FACTS),
    body: JSON.stringify(body),
  });
}

/** Each in a record of its own, in this order. */
async function putEvents(events: readonly Event[], lane = 'a'): Promise<readonly Item[]> {
  const items = events.map((event, place) => itemOf(event, { lane, sequence: BigInt(place + 1), index: 0 }));
  const kinds = new Set(events.map(({ source, eventType }) => keyOf(source, eventType)));
  await putAll(
    tables.state,
    [...kinds].map((sk) => ({ pk: text(KINDS_PK), sk: text(sk) })),
  );
  await putAll(tables.events, items);
  return items;
}

function aLane(lane: string, fields: Partial<Omit<StoredLane, 'lane'>> = {}): Item {
  return laneItem({
    lane,
    state: { done: 0n, registry: { types: 1 }, cuts: {} },
    totals: NO_TOTALS,
    journal: [],
    expiredThrough: undefined,
    revision: 1,
    ...fields,
  });
}

const minute = (place: number) => `2026-11-23T10:${String(place).padStart(2, '0')}:00.000Z`;
const sequencesOf = (events: readonly StoredEvent[]) => events.map(({ position }) => Number(position.sequence));

const markOf = ({ timestamp, position }: StoredEvent) => ({ time: timestamp, ...position });

describe('lists by time', () => {
  const kinds = 4 * 5;
  const manyKinds = Array.from({ length: 120 }, (_, place) =>
    anEvent({
      timestamp: minute((place * 7) % 60),
      eventType: `type-${place % 5}`,
      source: `source-${place % 4}`,
      anonymousId: `d${place % 11}`,
    }),
  );

  it('merges the lists of all kinds and shards, looks once into each, and reads little more than the page', async () => {
    await putEvents(manyKinds);
    let queries = 0;
    let entries = 0;
    const client = listening(
      async (command) => {
        if (command instanceof QueryCommand && command.input.IndexName !== undefined) queries += 1;
      },
      (command, answer) => {
        if (command instanceof QueryCommand) entries += (answer as { Items: readonly Item[] }).Items.length;
        return answer;
      },
    );
    const found = await read((reads) => reads.events({ order: 'desc', limit: 20 }), client);
    const newest = manyKinds
      .map(({ timestamp }, place) => ({ timestamp, sequence: place + 1 }))
      .sort((a, b) => (a.timestamp < b.timestamp ? 1 : a.timestamp > b.timestamp ? -1 : b.sequence - a.sequence));
    expect(sequencesOf(found)).toEqual(newest.slice(0, 20).map(({ sequence }) => sequence));
    expect(queries).toBeLessThanOrEqual(kinds * LIMITS.typeShards + 20);
    expect(entries).toBeLessThanOrEqual(manyKinds.length + kinds);
  });

  it('looks into each list once for all pages of a snapshot, forwards, and anew backwards', async () => {
    await putEvents(manyKinds);
    let queries = 0;
    const client = listening(async (command) => {
      if (command instanceof QueryCommand) queries += 1;
    });
    await read(async (reads) => {
      const pages: StoredEvent[][] = [];
      for (let last: StoredEvent | undefined; ; last = pages.at(-1)?.at(-1)) {
        const after = last && { time: last.timestamp, ...last.position };
        const page = await reads.events({ order: 'asc', limit: 10, after });
        pages.push([...page]);
        if (page.length < 10) break;
      }
      expect(sequencesOf(pages.flat())).toHaveLength(manyKinds.length);
      expect(new Set(sequencesOf(pages.flat())).size).toBe(manyKinds.length);
      expect(queries).toBeLessThanOrEqual(kinds * LIMITS.typeShards + 21);
      const [third] = pages[2] ?? [];
      const again = await reads.events({ order: 'asc', limit: 1, after: pages[1]?.map(markOf).at(-1) });
      expect(sequencesOf(again)).toEqual(sequencesOf(third ? [third] : []));
      const back = await reads.events({ order: 'desc', limit: 30, after: pages[3]?.map(markOf)[0] });
      expect(sequencesOf(back)).toEqual(sequencesOf(pages.slice(0, 3).flat()).reverse());
      const early = await reads.events({ order: 'desc', limit: 30, after: pages[4]?.map(markOf)[0] });
      expect(sequencesOf(early)).toEqual(sequencesOf(pages.slice(1, 4).flat()).reverse());
    }, client);
  });

  it('reads one type and source in few queries, however long its list is', async () => {
    const events = Array.from({ length: 300 }, (_, place) =>
      anEvent({ anonymousId: `d${place % 40}`, timestamp: minute(place % 60) }),
    );
    await putEvents(events);
    let queries = 0;
    const client = listening(async () => {
      queries += 1;
    });
    const range: EventRange = { order: 'asc', limit: 250, eventType: 'page', source: 'shop' };
    expect(await read((reads) => reads.events(range), client)).toHaveLength(250);
    // A look and a step or two into each shard, and three gets of 100.
    expect(queries).toBeLessThanOrEqual(3 * LIMITS.typeShards + 3);
  });

  it('passes over entries of the index whose event is gone or lies elsewhere now, and still fills the page', async () => {
    const items = await putEvents(Array.from({ length: 30 }, (_, place) => anEvent({ timestamp: minute(place) })));
    const gone = new Set(items.slice(0, 15).map((item) => textOf(item, 'sk')));
    const moved = textOf(items[16] ?? {}, 'sk');
    const client = listening(
      async () => {},
      (command, answer) => {
        if (!(command instanceof BatchGetItemCommand)) return answer;
        const { Responses } = answer as { readonly Responses: Record<string, readonly Item[]> };
        const left = (Responses[tables.events] ?? []).filter((item) => !gone.has(textOf(item, 'sk')));
        const now = left.map((item) => (textOf(item, 'sk') === moved ? { ...item, typeOrder: text('other') } : item));
        return { ...answer, Responses: { [tables.events]: now } };
      },
    );
    const page = await read((reads) => reads.events({ order: 'asc', limit: 10 }), client);
    expect(sequencesOf(page)).toEqual([16, 18, 19, 20, 21, 22, 23, 24, 25, 26]);
  });

  it('takes bounds that hold nothing, and marks that nobody was given', async () => {
    await putEvents([anEvent({ timestamp: minute(1) }), anEvent({ timestamp: minute(2) })]);
    const of = (range: Partial<EventRange>) =>
      read((reads) => reads.events({ order: 'asc', limit: 9, ...range })).then(sequencesOf);
    expect(await of({ from: minute(2), to: minute(1) })).toEqual([]);
    expect(await of({ from: minute(2), to: minute(2) })).toEqual([]);
    expect(await of({ from: minute(1), to: minute(2) })).toEqual([1]);
    expect(await of({ from: '2026-11-23T10:01:00Z', to: '2026-11-23T10:02:00.0001Z' })).toEqual([1]);
    const mark = { time: minute(1), lane: 'a', sequence: 1n, index: 0 };
    expect(await of({ after: mark })).toEqual([2]);
    expect(await of({ after: { ...mark, time: minute(2), sequence: 2n }, order: 'desc' })).toEqual([1]);
    expect(await of({ after: { ...mark, lane: 'x'.repeat(2_000) } })).toEqual([]);
    expect(await of({ limit: 0 })).toEqual([]);
  });
});

describe('lists of a visitor', () => {
  it('orders what happened at one time by position, across pages and sources', async () => {
    const at = (createdAt: string, eventId: string, source = 'shop') => anEvent({ createdAt, eventId, source });
    const events = [
      at(minute(2), 'z'),
      at(minute(2), 'y', 'blog'),
      at(minute(2), 'x'),
      at(minute(2), 'w'),
      at(minute(1), 'v', 'blog'),
      at(minute(3), 'u'),
      at('2026-11-23T10:02:00Z', 't'),
    ];
    await putEvents([...events, anEvent({ anonymousId: 'other' })]);
    const pages = async (range: Partial<EventRange>) => {
      const found: StoredEvent[] = [];
      for (;;) {
        const last = found.at(-1);
        const after = last && { time: last.createdAt, ...last.position };
        const page = await read((reads) =>
          reads.eventsOf('device-1', { order: 'asc', limit: 2, ...range, ...(after && { after }) }),
        );
        found.push(...page);
        if (page.length < 2) return sequencesOf(found);
      }
    };
    expect(await pages({})).toEqual([5, 7, 1, 2, 3, 4, 6]);
    expect(await pages({ order: 'desc' })).toEqual([6, 4, 3, 2, 1, 7, 5]);
    expect(await pages({ source: 'blog' })).toEqual([5, 2]);
    expect(await pages({ from: minute(2), to: minute(3) })).toEqual([1, 2, 3, 4]);
  });

  it('reads on until a page of one type is full', async () => {
    const events = Array.from({ length: 60 }, (_, place) =>
      anEvent({ createdAt: minute(place), eventType: place % 20 === 19 ? 'rare' : 'page' }),
    );
    await putEvents(events);
    const range: EventRange = { order: 'asc', limit: 3, eventType: 'rare' };
    expect(sequencesOf(await read((reads) => reads.eventsOf('device-1', range)))).toEqual([20, 40, 60]);
  });
});

function aRow(key: Partial<RowKey>, value: string, sequence: bigint): Item {
  const row = { view: 'types', version: 1, source: 'shop', bucket: 'minute/1', lane: 'a', ...key };
  const item = { pk: text(rowPk(row)), sk: text(rowSk(row)), sequence: text(sequenceText(sequence)) };
  return { ...item, value: { B: deflateRawSync(value) } };
}

const aSource = (source: string, version = 1): Item => ({
  pk: text(keyOf('sources', 'types', version)),
  sk: text(source),
});

const nameOf = (sequence: bigint) => keyOf(sequenceText(sequence), 'try');

function aJournal(sequence: bigint, rows: readonly Partial<RowKey>[], deltas: readonly string[]): Item {
  const all = deltas.map((_, place) => place);
  const named = rows.map((row) => ({
    ...{ view: 'types', version: 1, source: 'shop', bucket: 'minute/1' },
    ...row,
    deltas: all,
  }));
  const value = deflateRawSync(journalText({ sequence, deltas, rows: named }));
  return { pk: text(journalPk('a')), sk: text(nameOf(sequence)), value: { B: value } };
}

const minutes = { view: 'types', from: 'minute/', to: 'minute0' };
const rowsOf = async (client?: Sending) => {
  const rows = await read((reads) => reads.rows(minutes), client);
  return rows.map(({ key, text: value }) => `${key.source} ${key.bucket} ${key.lane} ${value}`).sort();
};

describe('rows', () => {
  it('are those that are stored, and what the journals add to them and nothing that they hold already', async () => {
    const journal = [5n, 6n].map(nameOf);
    await putAll(tables.state, [
      aLane('a', { journal }),
      aLane('b'),
      aSource('shop'),
      aSource('blog'),
      aRow({}, 'one', 5n),
      aRow({ lane: 'b' }, 'of b', 99n),
      aRow({ bucket: 'hour/1' }, 'other unit', 5n),
      aRow({ source: 'blog', bucket: 'minute/2', lane: `a@6.0` }, 'kept apart', 6n),
      aJournal(5n, [{}, { bucket: 'minute/2' }], ['five']),
      aJournal(
        6n,
        [{}, { source: 'blog', bucket: 'minute/2' }, { version: 2 }, { bucket: 'minute0' }],
        ['six', 'more'],
      ),
      aJournal(7n, [{}], ['of a try that failed']),
    ]);
    expect(await rowsOf()).toEqual([
      'blog minute/2 a more',
      'blog minute/2 a@6.0 kept apart',
      'shop minute/1 a more',
      'shop minute/1 a one',
      'shop minute/1 a six',
      'shop minute/1 b of b',
      'shop minute/2 a five',
    ]);
    expect(await read((reads) => reads.sources('types'))).toEqual(['blog', 'shop']);
    const ofBlog = await read((reads) => reads.rows({ ...minutes, source: 'blog' }));
    expect(ofBlog).toHaveLength(2);
    expect(await read((reads) => reads.rows({ ...minutes, from: 'minute0', to: 'minute/' }))).toEqual([]);
  });

  it('are whole when a journal is folded between the reads', async () => {
    await putAll(tables.state, [
      aLane('a', { journal: [nameOf(5n)] }),
      aSource('shop'),
      aRow({}, 'before', 4n),
      aJournal(5n, [{}], ['five']),
    ]);
    let isFolded = false;
    const client = listening(async (command) => {
      if (isFolded || !(command instanceof BatchGetItemCommand)) return;
      isFolded = true;
      await putAll(tables.state, [aRow({}, 'before and five', 5n), aLane('a')]);
      await state.deleteAll([{ pk: journalPk('a'), sk: nameOf(5n) }]);
    });
    expect(await rowsOf(client)).toEqual(['shop minute/1 a before and five']);
  });

  it('are refused when an item of a journal is lost', async () => {
    await putAll(tables.state, [aLane('a', { journal: [nameOf(5n)] }), aSource('shop')]);
    await expect(rowsOf()).rejects.toThrow('journal of lane a');
  });

  it('may be longer than an item, and written anew while they are read', async () => {
    await putAll(tables.state, [aLane('a'), aSource('shop')]);
    const key = {
      pk: rowPk({ view: 'types', version: 1, source: 'shop' }),
      sk: rowSk({ bucket: 'minute/1', lane: 'a' }),
    };
    const putRow = async (value: string, sequence: bigint) => {
      const held = await putLarge(state, key, deflateRawSync(value, { level: 0 }), sequenceText(sequence));
      const item = { pk: text(key.pk), sk: text(key.sk), sequence: text(sequenceText(sequence)), ...held };
      await putAll(tables.state, [item]);
      return item;
    };
    const first = await putRow('x'.repeat(900_000), 1n);
    expect(partKeys(first)).toHaveLength(3);
    expect(await rowsOf()).toEqual([`shop minute/1 a ${'x'.repeat(900_000)}`]);
    let isAnew = false;
    const client = listening(async (command) => {
      if (isAnew || !(command instanceof BatchGetItemCommand)) return;
      isAnew = true;
      await putRow('y'.repeat(800_000), 2n);
      await state.deleteAll(partKeys(first));
    });
    expect(await rowsOf(client)).toEqual([`shop minute/1 a ${'y'.repeat(800_000)}`]);
    const now = await state.get(key);
    await state.deleteAll(partKeys(now ?? {}).slice(1, 2));
    await expect(rowsOf()).rejects.toThrow('is missing');
  });

  const lane = (version: number | undefined, cuts: Readonly<Record<string, bigint>> = {}) => ({
    done: 9n,
    registry: version === undefined ? {} : { types: version },
    cuts,
  });
  it.each([
    ['one that all fold', [lane(1), lane(1)], [], 'v1'],
    ['the one before, while some lanes fold the new one from a cut', [lane(2, { 'types@2': 4n }), lane(1)], [], 'v1'],
    ['the one before, while all fold the new one from a cut', [lane(2, { 'types@2': 4n })], [], 'v1'],
    ['the one before, while a new lane folds the new one and an old one does not yet', [lane(2), lane(1)], [], 'v1'],
    ['the new one, when it is rebuilt', [lane(2, { 'types@2': 4n }), lane(2)], [2], 'v2'],
    ['the rebuilt one, while the next is not', [lane(3, { 'types@2': 4n, 'types@3': 5n })], [2], 'v2'],
    ['the newest one that all fold', [lane(3), lane(3)], [2], 'v3'],
    ['none, when a view is new', [lane(1, { 'types@1': 4n })], [], undefined],
    ['none, when no lane has the view', [lane(undefined)], [], undefined],
  ] as const)('are of the version that is ready: %s', async (_, states, rebuilt, expected) => {
    await putAll(tables.state, [
      ...states.map((of, place) => aLane(`lane-${place}`, { state: of })),
      ...[1, 2, 3].flatMap((version) => [aSource('shop', version), aRow({ version }, `v${version}`, 1n)]),
      ...[1, 2, 3].map((version) => ({
        pk: text(REBUILD_PK),
        sk: text(keyOf('types', version)),
        finished: number((rebuilt as readonly number[]).includes(version) ? 1 : 0),
      })),
    ]);
    const rows = await read((reads) => reads.rows(minutes));
    expect(rows.map(({ text: value }) => value)).toEqual(expected === undefined ? [] : [expected]);
  });
});

describe('what was set aside', () => {
  const aBad = async (position: EventPosition, payload = '{}') => {
    const key = { pk: badPk(position.lane), sk: badSk(position) };
    const event = { position, source: 'shop', receivedAt: minute(1), code: 'id_missing', detail: 'none', payload };
    const held = await putLarge(state, key, deflateRawSync(payload, { level: 0 }), 'try');
    await state.set({ pk: text(key.pk), sk: text(key.sk), ...badAttributes(event), ...held });
    return event;
  };

  it('is listed over all lanes, the newest first, page by page, and read by its place', async () => {
    await putAll(
      tables.state,
      ['a', 'b', 'c'].map((lane) => aLane(lane)),
    );
    const positions = ['a', 'b', 'c'].flatMap((lane) =>
      [7n, 8n, 10n ** 55n].flatMap((sequence) => [0, 1].map((index) => ({ lane, sequence, index }))),
    );
    for (const position of positions) await aBad(position);
    const newest = positions
      .toSorted(
        (a, b) => Number(a.sequence - b.sequence) || (a.lane < b.lane ? -1 : a.lane > b.lane ? 1 : a.index - b.index),
      )
      .reverse();
    const found: EventPosition[] = [];
    for (;;) {
      const page = await read((reads) => reads.badReasons({ limit: 5, after: found.at(-1) }));
      found.push(...page.map(({ position }) => position));
      if (page.length < 5) break;
    }
    expect(found).toEqual(newest);
    expect(await read((reads) => reads.badReasons({ limit: 0 }))).toEqual([]);
    const long = await aBad({ lane: 'b', sequence: 9n, index: 2 }, 'é'.repeat(500_000));
    const asked = [
      long.position,
      { lane: 'b', sequence: 9n, index: 3 },
      { lane: 'a', sequence: 7n, index: 1 },
      long.position,
    ];
    const at = await read((reads) => reads.badAt(asked));
    expect(at.map(({ position }) => position)).toEqual([asked[0], asked[2], asked[0]]);
    expect(at[0]).toEqual(long);
  });

  it('gives dead records with their bytes', async () => {
    await putAll(
      tables.state,
      ['a', 'b'].map((lane) => aLane(lane)),
    );
    const payload = new Uint8Array(600_000).map((_, place) => (place * 7919) % 251);
    for (const lane of ['a', 'b']) {
      const key = { pk: deadPk(lane), sk: sequenceText(3n) };
      const held = await putLarge(state, key, deflateRawSync(payload, { level: 0 }), 'try');
      const attributes = deadAttributes({ lane, sequence: 3n, detail: `of ${lane}`, payload });
      await state.set({ pk: text(key.pk), sk: text(key.sk), ...attributes, ...held });
    }
    const dead = await read((reads) => reads.dead(5));
    expect(dead.map(({ lane, detail }) => `${lane}: ${detail}`)).toEqual(['b: of b', 'a: of a']);
    expect(Buffer.compare(dead[0]?.payload ?? Buffer.from(''), payload)).toBe(0);
    expect(await read((reads) => reads.dead(5, { lane: 'b', sequence: 3n }))).toHaveLength(1);
  });
});

describe('the audit', () => {
  it('sums what the lanes count', async () => {
    const totals = { events: 10, bad: 1, dead: 2, visitors: 3, expired: 4, erased: 1 };
    await putAll(tables.state, [aLane('a', { totals, expiredThrough: 7n }), aLane('b', { totals })]);
    const found = await read(async (reads) => ({ totals: await reads.totals(), lanes: await reads.lanes() }));
    expect(found.totals).toEqual({
      ...{ events: 10, bad: 2, dead: 4, visitors: 6, expired: 8, erased: 2 },
      expiredThrough: new Map([['a', 7n]]),
    });
    expect([...found.lanes.keys()]).toEqual(['a', 'b']);
  });

  it('sees the lanes of one moment for as long as a snapshot lasts', async () => {
    await putAll(tables.state, [aLane('a', { state: { done: 1n, registry: {}, cuts: {} } })]);
    const dones = await read(async (reads) => {
      const before = (await reads.lanes()).get('a')?.done;
      await putAll(tables.state, [aLane('a', { state: { done: 2n, registry: {}, cuts: {} } })]);
      return [before, (await reads.lanes()).get('a')?.done];
    });
    expect(dones).toEqual([1n, 1n]);
    expect((await read((reads) => reads.lanes())).get('a')?.done).toBe(2n);
  });

  it('counts the stored events of each record, with those that were removed, over pages of a scan', async () => {
    const events = Array.from({ length: 1_500 }, (_, place) => anEvent({ anonymousId: `d${place % 7}` }));
    const items = events.map((event, place) =>
      itemOf(event, { lane: place % 2 === 0 ? 'a' : 'b', sequence: BigInt(place % 4), index: place }),
    );
    // Long enough for several pages of 1 MB.
    const padded = items.map((item) => ({ ...item, padding: { B: Buffer.alloc(2_000) } }));
    await putAll(tables.events, padded);
    await putAll(tables.state, [{ pk: text(keyOf('removed', 'a')), sk: text(sequenceText(2n)), events: number(5) }]);
    expect(await read((reads) => reads.storedCounts('a'))).toEqual([
      { lane: 'a', sequence: 0n, events: 375 },
      { lane: 'a', sequence: 2n, events: 380 },
    ]);
    expect(await read((reads) => reads.doubled(3))).toEqual([]);
    const [first, second, third] = [items[10], items[11], items[12]];
    if (first === undefined || second === undefined || third === undefined) throw new Error('unreachable');
    for (const [item, sequence] of [
      [first, 70n],
      [second, 71n],
      [third, 72n],
    ] as const) {
      const event = events[items.indexOf(item)];
      if (event === undefined) continue;
      const copy = itemOf(event, { lane: 'a', sequence, index: 0 });
      const Item = { ...copy, sk: text(`${textOf(copy, 'sk')}\0copy`) };
      await emulator.client.send(new PutItemCommand({ TableName: tables.events, Item }));
    }
    const doubled = await read((reads) => reads.doubled(10));
    expect(doubled.map(({ positions }) => positions.map(({ sequence }) => Number(sequence))).sort()).toEqual([
      [0, 72],
      [2, 70],
      [3, 71],
    ]);
    expect(await read((reads) => reads.doubled(2))).toHaveLength(2);
  });
});

it('lists a user once for each visitor, in the order linked', async () => {
  const link = (visitor: string, order: string) => ({
    ...{ pk: text(keyOf('link', 'u')), sk: text(keyOf('shop', visitor)), order: text(order) },
  });
  await putAll(tables.state, [link('a', '3'), link('b', '1'), link('c', '2'), aLane(LANE_PK)]);
  const visitors = await read((reads) => reads.visitorsOf('u', 2));
  expect(visitors).toEqual([
    { source: 'shop', visitor: 'b' },
    { source: 'shop', visitor: 'c' },
  ]);
});

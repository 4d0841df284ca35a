import { describe, expect, test } from 'vitest';
import { eventWith, factsWith, lineOf, recordOf, recordOfLines } from '../../tests/events.ts';
import { type Event, identityKey, identityOf, type Reason } from '../core/event.ts';
import type { Facts, View } from '../core/view.ts';
import { type Decision, type LaneState, type Loaded, visitorText } from '../store/event-store.ts';
import { decide, type Steps } from './decide.ts';
import { open } from './decode.ts';
import { createEnrich } from './enrich.ts';
import { LEDGER, type LedgerState, ledgerRows } from './views/ledger.ts';
import { registryOf, VIEWS } from './views/registry.ts';
import { sessionTables } from './views/sessions.ts';
import type { Table } from './views/table.ts';
import { type Traffic, traffic, trafficTables } from './views/traffic.ts';

const NOTHING: Loaded = { lane: undefined, visitors: new Map(), known: new Map(), generations: {} };
const LANE: LaneState = { done: 4n, registry: registryOf(VIEWS), cuts: {} };
const STEPS: Steps = { views: VIEWS, enrich: createEnrich({ domains: () => [] }), check: () => undefined };

type Records = readonly (readonly [bigint, Uint8Array])[];

function decideOn(records: Records, loaded: Loaded, steps: Partial<Steps>) {
  const opened = records.map(([sequence, data]) => open({ sequence, data }));
  return decide({ lane: 'l', loaded, records: opened, steps: { ...STEPS, ...steps } });
}

function decided(records: Records, loaded: Loaded = NOTHING, steps: Partial<Steps> = {}): Decision {
  const result = decideOn(records, loaded, steps);
  if (result.kind !== 'apply') throw new Error(`nothing was decided: ${result.kind}`);
  return result.decision;
}

/** The row of a view after this decision alone. */
function rowOf({ rows }: Decision, view: string, bucket = '') {
  const update = rows.find(({ key }) => key.view === view && key.bucket.startsWith(bucket));
  return update?.row.absorb(update.row.empty(), update.deltas, update.key.bucket);
}

function ledgerOf(decision: Decision) {
  const { entries } = (rowOf(decision, LEDGER.name) ?? ledgerRows.empty()) as LedgerState;
  return [...entries.values()].flat().map(({ stored, duplicate, bad, dead }) => ({ stored, duplicate, bad, dead }));
}

/** How many events the decision counts in each minute. */
function eventsCounted(decision: Decision): readonly (readonly [string, number])[] {
  return decision.rows
    .filter(({ key }) => key.view === traffic.name && key.bucket.startsWith('minute/'))
    .map(({ key }) => {
      const table = rowOf(decision, traffic.name, key.bucket) as Table<Traffic>;
      return [key.bucket, trafficTables.values(table, 'total').get('total')?.events ?? 0];
    });
}

/** A view that tells of every event it is given to fold. */
function spyOn(told: (event: Event, facts: Facts) => void): View {
  return {
    ...(traffic as View),
    fold: (state, event, facts) => {
      told(event, facts);
      return state;
    },
  };
}

function knownAs(event: Event, sequence: bigint, facts = '{}'): Loaded['known'] {
  return new Map([[identityKey(identityOf(event)), { position: { lane: 'l', sequence, index: 0 }, facts }]]);
}

const first = eventWith({ eventId: 'e1' });
const second = eventWith({
  eventId: 'e2',
  timestamp: '2026-11-23T10:05:00.000Z',
  createdAt: '2026-11-23T10:05:00.000Z',
});

describe('deciding a batch', () => {
  test('puts events with their positions, steps their visitor, and is done with the last record', () => {
    const decision = decided([
      [5n, recordOf([first, second])],
      [9n, recordOf([eventWith({ eventId: 'e3' })])],
    ]);
    expect(decision.events.map(({ position }) => position)).toEqual([
      { lane: 'l', sequence: 5n, index: 0 },
      { lane: 'l', sequence: 5n, index: 1 },
      { lane: 'l', sequence: 9n, index: 0 },
    ]);
    expect(decision.visitors).toMatchObject([{ source: 'default', visitor: 'a1', sequence: 9n, loaded: undefined }]);
    expect(decision.becomes.done).toBe(9n);
  });
  test('drops what the lane has done', () => {
    const loaded = { ...NOTHING, lane: LANE };
    expect(decideOn([[4n, recordOf([first])]], loaded, {}).kind).toBe('nothing');
    expect(
      decided(
        [
          [4n, recordOf([first])],
          [5n, recordOf([second])],
        ],
        loaded,
      ).events,
    ).toHaveLength(1);
  });
  test('an identity known elsewhere is a duplicate: counted in the ledger, in nothing else', () => {
    const decision = decided([[5n, recordOf([first])]], { ...NOTHING, known: knownAs(first, 2n) });
    expect([decision.events, decision.visitors, decision.links]).toEqual([[], [], []]);
    expect(decision.rows.map(({ key }) => key.view)).toEqual(['ledger']);
    expect(ledgerOf(decision)).toEqual([{ stored: 0, duplicate: 1, bad: 0, dead: 0 }]);
  });
  test('duplicates within one batch, and within one record, are seen', () => {
    const decision = decided([
      [5n, recordOf([first, first])],
      [6n, recordOf([first], { number: 1 })],
    ]);
    expect(decision.events).toHaveLength(1);
    expect(ledgerOf(decision)).toEqual([
      { stored: 1, duplicate: 1, bad: 0, dead: 0 },
      { stored: 0, duplicate: 1, bad: 0, dead: 0 },
    ]);
    expect(eventsCounted(decision)).toEqual([['minute/2026-11-23T10:00Z', 1]]);
  });
  test('an event already at its own position is counted with the facts stored then, not put again', () => {
    const facts = JSON.stringify(factsWith({ session: 7, late: true }));
    const seen: number[] = [];
    const spy = spyOn((_, { session }) => seen.push(session));
    const loaded = { ...NOTHING, known: knownAs(first, 5n, facts) };
    const decision = decided([[5n, recordOf([first])]], loaded, { views: [spy] });
    expect(decision.events).toEqual([]);
    expect(new Set(seen)).toEqual(new Set([7]));
    expect(ledgerOf(decision)).toEqual([{ stored: 1, duplicate: 0, bad: 0, dead: 0 }]);
  });
  test('what its visitor already holds is counted with the facts stored then, and steps nobody', () => {
    const facts = JSON.stringify(factsWith({ session: 7 }));
    const seen: number[] = [];
    const spy = spyOn((_, { session }) => seen.push(session));
    const { state } = decided([[5n, recordOf([first])]]).visitors[0] ?? { state: '' };
    const visitors = new Map([['default\0a1', { sequence: 5n, state }]]);
    const loaded = { ...NOTHING, visitors, known: knownAs(first, 5n, facts) };
    const decision = decided([[5n, recordOf([first])]], loaded, { views: [spy] });
    expect([decision.events, decision.visitors]).toEqual([[], []]);
    expect(seen).toEqual([7]);
    expect(ledgerOf(decision)).toEqual([{ stored: 1, duplicate: 0, bad: 0, dead: 0 }]);
  });
  test('a visitor goes on from the state that was loaded, which the decision names', () => {
    const { state } = decided([[3n, recordOf([first])]]).visitors[0] ?? { state: '' };
    const loaded = { ...NOTHING, visitors: new Map([['default\0a1', { sequence: 3n, state }]]) };
    const decision = decided([[5n, recordOf([second])]], loaded);
    expect(JSON.parse(decision.events[0]?.facts ?? '')).toMatchObject({ session: 1, first: false, newVisitor: false });
    expect(decision.visitors).toMatchObject([{ sequence: 5n, loaded: 3n }]);
  });
  test('what enrichment finds is stored with the event, and counted', () => {
    const enrich = () => ({ browser: 'Firefox', page: '/cart' });
    const decision = decided([[5n, recordOf([first])]], NOTHING, { enrich });
    expect(JSON.parse(decision.events[0]?.facts ?? '')).toMatchObject({
      enriched: { browser: 'Firefox', page: '/cart' },
    });
    const table = rowOf(decision, traffic.name, 'hour/browser/') as Table<Traffic>;
    expect([...trafficTables.values(table, 'browser')].map(([value, { events }]) => [value, events])).toEqual([
      ['Firefox', 1],
    ]);
  });
  test('an event is one delta a minute, in the row of its minute and in those of its hour, of its own source', () => {
    const blog = eventWith({ eventId: 'e3', source: 'blog' });
    const { rows } = decided([
      [5n, recordOf([first, second])],
      [6n, recordOf([blog], { number: 1 })],
    ]);
    const of = (source: string, view: string) =>
      rows
        .filter(({ key }) => key.source === source && key.view === view)
        .map(({ key, deltas }) => [key.bucket, deltas.length]);
    expect(of('default', traffic.name)).toEqual(
      expect.arrayContaining([
        ['minute/2026-11-23T10:00Z', 1],
        ['minute/2026-11-23T10:05Z', 1],
        ['hour/total/2026-11-23T10:00Z', 2],
        ['hour/page/2026-11-23T10:00Z', 2],
      ]),
    );
    expect(of('blog', traffic.name)).toContainEqual(['hour/total/2026-11-23T10:00Z', 1]);
    expect(rows.every(({ key }) => key.lane === 'l')).toBe(true);
  });
  test('tells the views in which order events came, over all records and minutes', () => {
    const seen: (readonly [string, number])[] = [];
    const spy: View = {
      ...(traffic as View),
      fold: (state, { eventId }, _, order) => {
        seen.push([eventId, order]);
        return state;
      },
    };
    const again = eventWith({ eventId: 'e3', createdAt: '2026-11-23T10:00:30.000Z' });
    decided(
      [
        [5n, recordOf([second, first])],
        [6n, recordOf([first, again], { number: 1 })],
      ],
      NOTHING,
      { views: [spy] },
    );
    expect(seen.map(([eventId]) => eventId)).toEqual(['e2', 'e1', 'e3']);
    const orders = seen.map(([, order]) => order);
    expect([...new Set(orders)].sort((a, b) => a - b)).toEqual(orders);
  });
  test('the same id with other properties is another event', () => {
    expect(decided([[5n, recordOf([first, { ...first, fingerprint: 'other' }])]]).events).toHaveLength(2);
    const prints = ['a', 'b', 'c', 'b', 'a', 'c', 'd'].map((fingerprint) => ({ ...first, fingerprint }));
    const decision = decided([
      [5n, recordOf(prints.slice(0, 4))],
      [6n, recordOf(prints.slice(4), { number: 1 })],
    ]);
    expect(decision.events.map(({ identity }) => identity.fingerprint)).toEqual(['a', 'b', 'c', 'd']);
    expect(ledgerOf(decision).map(({ duplicate }) => duplicate)).toEqual([1, 2]);
  });
  test('links a user id to the visitor it was seen with', () => {
    const { links } = decided([
      [5n, recordOf([eventWith({ userId: 'u' }), eventWith({ userId: 'u', eventId: 'e2' })])],
    ]);
    expect(links).toEqual([{ userId: 'u', source: 'default', visitor: 'a1' }]);
  });
});

describe('what cannot be processed', () => {
  test('an invalid event is set aside with its reason and bytes; the others of its record are stored', () => {
    const line = '{"eventType":7}';
    const decision = decided([[5n, recordOfLines([line, lineOf(first), 'null'])]]);
    expect(decision.events).toHaveLength(1);
    expect(decision.bad.map(({ code, payload, position }) => [code, payload, position.index])).toEqual([
      ['type_invalid', line, 0],
      ['not_an_object', 'null', 2],
    ]);
    expect(ledgerOf(decision)).toEqual([{ stored: 1, duplicate: 0, bad: 2, dead: 0 }]);
  });
  test('what the collector set aside keeps its reason and the bytes that came', () => {
    const line = JSON.stringify({ setAside: { code: 'too_deep', detail: 'deep' }, raw: '[[[]]]' });
    expect(decided([[5n, recordOfLines([line])]]).bad).toMatchObject([
      { code: 'too_deep', detail: 'deep', payload: '[[[]]]' },
    ]);
  });
  test.each([
    ['a checksum that differs', (data: Uint8Array) => data.fill(120, data.length - 3), 1],
    ['no header', () => new Uint8Array([1, 2, 3]), 0],
  ])('a record with %s is dead, whole, and the next one is processed', (_, spoil, accounted) => {
    const data = spoil(recordOf([first]));
    const decision = decided([
      [5n, data],
      [6n, recordOf([second], { number: 1 })],
    ]);
    expect(decision.dead).toMatchObject([{ sequence: 5n, payload: data }]);
    expect(decision.events).toHaveLength(1);
    expect(decision.becomes.done).toBe(6n);
    expect(ledgerOf(decision).filter(({ dead }) => dead === 1)).toHaveLength(accounted);
  });
  test('a record that makes a view throw is dead, and has put, counted and stepped nothing', () => {
    const fussy: View = {
      ...(traffic as View),
      fold: (state, event, facts, order) => {
        if (event.eventId === 'e2') throw new Error('cannot fold this');
        return (traffic as View).fold(state, event, facts, order);
      },
    };
    const decision = decided(
      [
        [5n, recordOf([first, second])],
        [6n, recordOf([eventWith({ eventId: 'e3' })], { number: 1 })],
      ],
      NOTHING,
      { views: [fussy] },
    );
    expect(decision.dead).toMatchObject([{ sequence: 5n, detail: 'Error: cannot fold this' }]);
    expect(decision.events.map(({ identity }) => identity.eventId)).toEqual(['e3']);
    expect(JSON.parse(decision.events[0]?.facts ?? '')).toMatchObject({ session: 1, newVisitor: true });
    expect(eventsCounted(decision)).toEqual([['minute/2026-11-23T10:00Z', 1]]);
    expect(ledgerOf(decision)).toEqual([
      { stored: 0, duplicate: 0, bad: 0, dead: 2 },
      { stored: 1, duplicate: 0, bad: 0, dead: 0 },
    ]);
  });
  test('each of several poison records is dead, whatever made it so; what was good of the batch is decided once', () => {
    const enrich = ({ eventId }: Event) => {
      if (eventId === 'e1' || eventId === 'e7') throw new Error(`cannot enrich ${eventId}`);
      return {};
    };
    const good = (eventId: string) => eventWith({ eventId, userId: 'u' });
    const broken = recordOf([good('e4')], { number: 3 });
    broken.fill(120, broken.length - 3);
    const records = [
      [1n, recordOf([good('e0')])],
      [2n, recordOf([good('e1')], { number: 1 })],
      [3n, recordOf([good('e2'), good('e3')], { number: 2 })],
      [4n, broken],
      [5n, recordOf([good('e5'), good('e6'), good('e7')], { number: 4 })],
      [6n, recordOf([good('e0'), good('e8')], { number: 5 })],
    ] as const;
    const decision = decided(records, NOTHING, { enrich });
    expect(decision.dead.map(({ sequence, detail, payload }) => [sequence, detail, payload])).toEqual([
      [2n, 'Error: cannot enrich e1', records[1][1]],
      [4n, 'RecordError: unreadable record: checksum differs', broken],
      [5n, 'Error: cannot enrich e7', records[4][1]],
    ]);
    expect(decision.events.map(({ identity }) => identity.eventId)).toEqual(['e0', 'e2', 'e3', 'e8']);
    expect(decision.links).toHaveLength(1);
    expect(eventsCounted(decision)).toEqual([['minute/2026-11-23T10:00Z', 4]]);
    const table = rowOf(decision, 'sessions', 'minute/') as Parameters<typeof sessionTables.values>[0];
    expect(sessionTables.values(table, 'total').get('total')).toMatchObject({ sessions: 1, newVisitors: 1 });
    expect(ledgerOf(decision)).toEqual([
      { stored: 1, duplicate: 0, bad: 0, dead: 0 },
      { stored: 0, duplicate: 0, bad: 0, dead: 1 },
      { stored: 2, duplicate: 0, bad: 0, dead: 0 },
      { stored: 0, duplicate: 0, bad: 0, dead: 1 },
      { stored: 0, duplicate: 0, bad: 0, dead: 3 },
      { stored: 1, duplicate: 1, bad: 0, dead: 0 },
    ]);
    expect(decision.becomes.done).toBe(6n);
    // As if they had never been there.
    const without = decided([records[0], records[2], records[5]], NOTHING, { enrich });
    expect(decision.visitors).toEqual(without.visitors);
    expect(decision.events).toEqual(without.events);
  });
  test('a record that an earlier try set aside is dead again, though that try went on with its visitor and was left half done', () => {
    const enrich = ({ eventId }: Event) => {
      if (eventId === 'e1') throw new Error('a fault of the core');
      return {};
    };
    const records = [
      [5n, recordOf([first])],
      [6n, recordOf([second], { number: 1 })],
    ] as const;
    const once = decided(records, NOTHING, { enrich });
    const visitors = new Map(once.visitors.map((put) => [visitorText(put), put]));
    const [put] = once.events;
    const known = knownAs(second, 6n, put?.facts);
    const again = decided(records, { ...NOTHING, visitors, known }, { enrich });
    expect(again.dead.map(({ sequence }) => sequence)).toEqual([5n]);
    expect(ledgerOf(again)).toEqual(ledgerOf(once));
    expect(eventsCounted(again)).toEqual(eventsCounted(once));
  });

  test('a record with an event of another visitor than its header says is dead: its state was not loaded', () => {
    const records = [
      [5n, recordOf([first, eventWith({ eventId: 'e2', anonymousId: 'a2' })])],
      [6n, recordOf([eventWith({ eventId: 'e3', anonymousId: 'a2' })], { number: 1 })],
    ] as const;
    const decision = decided(records);
    expect(decision.dead).toMatchObject([{ sequence: 5n, detail: 'RecordError: unreadable record: visitor differs' }]);
    expect(decision.events.map(({ identity }) => identity.eventId)).toEqual(['e3']);
    expect(decision.visitors.map(({ visitor }) => visitor)).toEqual(['a2']);
    expect(ledgerOf(decision)).toEqual([
      { stored: 0, duplicate: 0, bad: 0, dead: 2 },
      { stored: 1, duplicate: 0, bad: 0, dead: 0 },
    ]);
  });
  test('a visitor known by a user id alone has its own record', () => {
    const { anonymousId: _, ...rest } = first;
    const event: Event = { ...rest, userId: 'u' };
    const decision = decided([[5n, recordOf([event])]]);
    expect(decision.dead).toEqual([]);
    expect(decision.visitors).toMatchObject([{ visitor: 'u' }]);
    expect(decision.links).toEqual([]);
  });
});

describe('an event that does not fit its schema', () => {
  const reason: Reason = { code: 'schema_invalid', detail: '/properties/total must be there, got nothing' };
  const check = ({ eventId }: Event) => (eventId === 'e2' ? reason : undefined);
  test('is set aside with the reason and its bytes, and neither steps its visitor nor is counted', () => {
    const decision = decided([[5n, recordOf([first, second])]], NOTHING, { check });
    expect(decision.bad).toEqual([
      {
        position: { lane: 'l', sequence: 5n, index: 1 },
        eventType: 'page',
        source: 'default',
        receivedAt: '2026-11-23T10:00:01.000Z',
        ...reason,
        payload: lineOf(second),
      },
    ]);
    const alone = decided([[5n, recordOf([first])]]);
    expect(decision.events).toEqual(alone.events);
    expect(decision.visitors).toEqual(alone.visitors);
    expect(eventsCounted(decision)).toEqual([['minute/2026-11-23T10:00Z', 1]]);
    expect(ledgerOf(decision)).toEqual([{ stored: 1, duplicate: 0, bad: 1, dead: 0 }]);
  });
  test('is bad each time it comes, for it is no event', () => {
    const decision = decided([[5n, recordOf([second, second])]], NOTHING, { check });
    expect(decision.bad.map(({ position }) => position.index)).toEqual([0, 1]);
    expect(ledgerOf(decision)).toEqual([{ stored: 0, duplicate: 0, bad: 2, dead: 0 }]);
  });
  test('is an event all the same when it is stored at its own position: schemas may have changed since', () => {
    const loaded = { ...NOTHING, known: knownAs(second, 5n, JSON.stringify(factsWith())) };
    const decision = decided([[5n, recordOf([second])]], loaded, { check });
    expect(decision.bad).toEqual([]);
    expect(ledgerOf(decision)).toEqual([{ stored: 1, duplicate: 0, bad: 0, dead: 0 }]);
    expect(eventsCounted(decision)).toEqual([['minute/2026-11-23T10:05Z', 1]]);
  });
  test('is a duplicate when it is stored elsewhere', () => {
    const decision = decided([[5n, recordOf([second])]], { ...NOTHING, known: knownAs(second, 2n) }, { check });
    expect(decision.bad).toEqual([]);
    expect(ledgerOf(decision)).toEqual([{ stored: 0, duplicate: 1, bad: 0, dead: 0 }]);
  });
});

describe('erasure', () => {
  const erasure = recordOfLines([], { kind: 'erase', number: 1 });
  test('ends the batch before it, and is then a batch of its own', () => {
    const records = [
      [5n, recordOf([first])],
      [6n, erasure],
      [7n, recordOf([second], { number: 2 })],
    ] as const;
    expect(decided(records)).toMatchObject({ erase: [], becomes: { done: 5n } });
    const alone = decided(records, { ...NOTHING, lane: { ...LANE, done: 5n } });
    expect(alone).toMatchObject({
      events: [],
      erase: [{ source: 'default', visitor: 'a1', sequence: 6n }],
      becomes: { done: 6n },
    });
  });
});

describe('the registry of views', () => {
  const older = { ...LANE, registry: registryOf(VIEWS.filter(({ name }) => name !== 'traffic')) };
  test('an older lane is taken up with a cut for each view it lacks', () => {
    const decision = decided([[5n, recordOf([first])]], { ...NOTHING, lane: older });
    expect(decision.becomes).toEqual({
      done: 5n,
      registry: LANE.registry,
      cuts: { 'traffic@1': 4n },
    });
    expect(eventsCounted(decision)).toEqual([['minute/2026-11-23T10:00Z', 1]]);
  });
  test('what lies before a cut is left to the rebuild', () => {
    const lane = { ...LANE, done: 4n, cuts: { 'traffic@1': 5n } };
    const decision = decided(
      [
        [5n, recordOf([first])],
        [6n, recordOf([second], { number: 1 })],
      ],
      { ...NOTHING, lane },
    );
    expect(eventsCounted(decision)).toEqual([['minute/2026-11-23T10:05Z', 1]]);
    expect(rowOf(decision, 'sessions', 'minute/')).toBeDefined();
  });
  test('with nothing else to do, the lane is taken up all the same', () => {
    expect(decided([], { ...NOTHING, lane: older }).becomes.done).toBe(4n);
  });
  test('a newer lane is left alone', () => {
    const newer = { ...LANE, registry: { ...LANE.registry, traffic: 2 } };
    expect(() => decided([[5n, recordOf([first])]], { ...NOTHING, lane: newer })).toThrow(/newer version/);
    const unknown = { ...LANE, registry: { ...LANE.registry, funnels: 1 } };
    expect(() => decided([[5n, recordOf([first])]], { ...NOTHING, lane: unknown })).toThrow(/view funnels/);
  });
});

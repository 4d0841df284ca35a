import { describe, expect, test } from 'vitest';
import { eventWith, lineOf, recordOf, recordOfLines } from '../../tests/events.ts';
import { type Event, identityKey, identityOf } from '../core/event.ts';
import type { View } from '../core/view.ts';
import type { Decision, LaneState, Loaded } from '../store/event-store.ts';
import { decide } from './decide.ts';
import { decode } from './decode.ts';
import { type LedgerState, ledgerCodec } from './views/ledger.ts';
import { registryOf, VIEWS } from './views/registry.ts';

const NOTHING: Loaded = { lane: undefined, visitors: new Map(), known: new Map() };
const LANE: LaneState = { done: 4n, registry: registryOf(VIEWS), cuts: {} };

function decided(
  records: readonly (readonly [bigint, Uint8Array])[],
  loaded: Loaded = NOTHING,
  views: readonly View[] = VIEWS,
): Decision {
  const result = decide({
    lane: 'l',
    loaded,
    views,
    records: records.map(([sequence, data]) => decode({ sequence, data })),
  });
  if (result.kind === 'nothing') throw new Error('nothing was decided');
  return result.decision;
}

/** The row of a view after this decision alone. */
function rowOf({ rows }: Decision, view: string, bucket = '') {
  const row = rows.find(({ key }) => key.view === view && key.bucket.startsWith(bucket));
  return row?.contributions.reduce((state, { fold }) => fold(state), row.codec.empty());
}

function ledgerOf(decision: Decision) {
  const { entries } = (rowOf(decision, 'ledger') ?? ledgerCodec.empty()) as LedgerState;
  return [...entries.values()].flat().map(({ stored, duplicate, bad, dead }) => ({ stored, duplicate, bad, dead }));
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
    const records = [decode({ sequence: 4n, data: recordOf([first]) })];
    expect(decide({ lane: 'l', loaded, views: VIEWS, records }).kind).toBe('nothing');
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
    const known = new Map([
      [identityKey(identityOf(first)), { position: { lane: 'l', sequence: 2n, index: 0 }, facts: '{}' }],
    ]);
    const decision = decided([[5n, recordOf([first])]], { ...NOTHING, known });
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
  });
  test('an event already at its own position is counted with the facts stored then, not put again', () => {
    const facts = JSON.stringify({
      session: 7,
      sessionStart: first.timestamp,
      first: false,
      newVisitor: false,
      late: true,
    });
    const known = new Map([
      [identityKey(identityOf(first)), { position: { lane: 'l', sequence: 5n, index: 0 }, facts }],
    ]);
    const seen: number[] = [];
    const spy: View = {
      ...(VIEWS[0] as View),
      fold: (state, _, { session }) => {
        seen.push(session);
        return state;
      },
    };
    const decision = decided([[5n, recordOf([first])]], { ...NOTHING, known }, [spy]);
    expect(decision.events).toEqual([]);
    rowOf(decision, spy.name);
    expect(new Set(seen)).toEqual(new Set([7]));
    expect(ledgerOf(decision)).toEqual([{ stored: 1, duplicate: 0, bad: 0, dead: 0 }]);
  });
  test('the same id with other properties is another event', () => {
    expect(decided([[5n, recordOf([first, { ...first, fingerprint: 'other' }])]]).events).toHaveLength(2);
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
      ...(VIEWS[0] as View),
      fold: (state, event: Event) => {
        if (event.eventId === 'e2') throw new Error('cannot fold this');
        return state;
      },
    };
    const decision = decided(
      [
        [5n, recordOf([first, second])],
        [6n, recordOf([eventWith({ eventId: 'e3' })], { number: 1 })],
      ],
      NOTHING,
      [fussy],
    );
    expect(decision.dead).toMatchObject([{ sequence: 5n, detail: 'Error: cannot fold this' }]);
    expect(decision.events.map(({ event }) => event.eventId)).toEqual(['e3']);
    expect(JSON.parse(decision.events[0]?.facts ?? '')).toMatchObject({ session: 1, newVisitor: true });
    expect(ledgerOf(decision)).toEqual([
      { stored: 0, duplicate: 0, bad: 0, dead: 2 },
      { stored: 1, duplicate: 0, bad: 0, dead: 0 },
    ]);
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
  const visitors = VIEWS.filter(({ name }) => name === 'visitors');
  const older = { ...LANE, registry: registryOf(visitors) };
  test('an older lane is taken up with a cut for each view it lacks', () => {
    const decision = decided([[5n, recordOf([first])]], { ...NOTHING, lane: older });
    expect(decision.becomes).toEqual({
      done: 5n,
      registry: LANE.registry,
      cuts: { 'events-by-type@1': 4n, 'pageviews-by-page@1': 4n },
    });
    expect(rowOf(decision, 'events-by-type')).toMatchObject({ total: 1 });
  });
  test('with nothing else to do, the lane is taken up all the same', () => {
    expect(decided([], { ...NOTHING, lane: older }).becomes.done).toBe(4n);
  });
  test('a newer lane is left alone', () => {
    const newer = { ...LANE, registry: { ...LANE.registry, visitors: 2 } };
    expect(() => decided([[5n, recordOf([first])]], { ...NOTHING, lane: newer })).toThrow(/newer version/);
    const unknown = { ...LANE, registry: { ...LANE.registry, funnels: 1 } };
    expect(() => decided([[5n, recordOf([first])]], { ...NOTHING, lane: unknown })).toThrow(/view funnels/);
  });
});

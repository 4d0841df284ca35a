import { describe, expect, test } from 'vitest';
import { totalsOf } from '../../tests/listed-reads.ts';
import { type AuditInput, audit } from './audit.ts';
import type { LedgerBlock } from './ledger-reading.ts';

const HOUR = '2026-11-23T10';
const stored = (sequence: bigint, count = 1) => ({
  ...{ sequence, hour: HOUR, count, stored: count, duplicate: 0, bad: 0, dead: 0 },
});

function block(part: Partial<LedgerBlock> = {}): LedgerBlock {
  const entries = new Map([
    [0, [stored(10n, 2)]],
    [1, [stored(11n)]],
    [2, [stored(12n)]],
  ]);
  return {
    collector: 'c',
    lane: 'local',
    source: 'shop',
    entries,
    ackedThrough: 1,
    voids: new Set(),
    arrivedAtMs: 0,
    ...part,
  };
}

const counts = (...events: readonly (readonly [bigint, number])[]) => {
  const at = { lane: 'local', source: 'shop', hour: HOUR };
  const records = events.map(([sequence, of]) => ({ ...at, sequence, events: of }));
  return { counts: { records, hours: records }, doubled: [] };
};

/** Three records of one collector, four events, all well. */
function input(part: Partial<AuditInput> = {}): AuditInput {
  return {
    witnesses: [{ collector: 'c', number: 2, lane: 'local', sequence: 12n }],
    log: { records: [], findings: [] },
    ledger: [block()],
    lanes: new Map([['local', { done: 12n, registry: {}, cuts: {} }]]),
    totals: totalsOf({ events: 4 }),
    deep: counts([10n, 2], [11n, 1], [12n, 1]),
    ...part,
  };
}

const OUTCOMES = { accepted: 4, stored: 4, duplicate: 0, bad: 0, dead: 0, pending: 0, redelivered: 0 };

test('what is well is balanced', () => {
  expect(audit(input())).toEqual({
    ...{ balanced: true, deep: true, ...OUTCOMES },
    ...{ lost: 0, unresolved: 0, expired: 0, badExpired: 0, erased: 0, waiting: [] },
    lanes: [{ lane: 'local', done: 12n, ...OUTCOMES }],
    sources: [{ source: 'shop', ...OUTCOMES }],
    hours: [{ lane: 'local', source: 'shop', hour: HOUR, ...OUTCOMES }],
    ...{ problemCount: 0, problems: [], notes: [] },
  });
});

describe('a fault is named', () => {
  test.each<readonly [string, Partial<AuditInput>, object]>([
    [
      'a stored event that is gone',
      { deep: counts([10n, 1], [11n, 1], [12n, 1]) },
      { kind: 'event_missing', collector: 'c', number: 0, lane: 'local', sequence: 10n },
    ],
    [
      'all stored events of a record gone',
      { deep: counts([10n, 2], [12n, 1]) },
      { kind: 'event_missing', number: 1, sequence: 11n },
    ],
    [
      'a stored event too many',
      { deep: counts([10n, 3], [11n, 1], [12n, 1]) },
      { kind: 'event_unaccounted', number: 0, sequence: 10n },
    ],
    [
      'a stored event of a record the ledger never saw',
      { deep: counts([10n, 2], [11n, 1], [12n, 1], [99n, 1]) },
      { kind: 'event_unaccounted', lane: 'local', sequence: 99n },
    ],
    [
      'an event stored twice',
      {
        deep: {
          ...counts([10n, 2], [11n, 1], [12n, 1]),
          doubled: [
            {
              identity: { visitor: 'ada', createdAt: '', source: 'shop', eventId: 'e1', fingerprint: 'f' },
              positions: [
                { lane: 'local', sequence: 10n, index: 0 },
                { lane: 'local', sequence: 10n, index: 1 },
              ],
            },
          ],
        },
      },
      { kind: 'event_doubled', eventId: 'e1', lane: 'local', sequence: 10n },
    ],
    [
      'a record that is gone, as later ones say',
      { ledger: [block({ entries: new Map([[2, [stored(12n, 4)]]]), voids: new Set([0]) })], deep: undefined },
      { kind: 'records_lost', collector: 'c', number: 1 },
    ],
    [
      'the last records gone, as the witness says',
      { witnesses: [{ collector: 'c', number: 4, lane: 'local', sequence: 14n }] },
      { kind: 'records_lost', collector: 'c', number: 3, detail: expect.stringContaining('numbers 3 to 4') },
    ],
    [
      'a collector of which nothing is left',
      { witnesses: [{ collector: 'd', number: 0, lane: 'local', sequence: 5n }] },
      { kind: 'records_lost', collector: 'd', number: 0 },
    ],
    [
      'a record whose outcomes are not its events',
      {
        ledger: [block({ entries: new Map([[0, [{ ...stored(10n, 4), count: 5 }]]]), ackedThrough: -1 })],
        witnesses: [],
        deep: undefined,
      },
      { kind: 'record_unbalanced', number: 0, sequence: 10n },
    ],
    ['totals that differ', { totals: totalsOf({ events: 3 }) }, { kind: 'totals_differ' }],
    ['bad events that are gone', { totals: totalsOf({ events: 4, bad: 1 }) }, { kind: 'totals_differ' }],
    [
      'a log with a part missing',
      { log: { records: [], findings: [{ kind: 'tail_missing', detail: 'gone', lane: 'local', sequence: 9n }] } },
      { kind: 'log_tail_missing', detail: 'gone', lane: 'local', sequence: 9n },
    ],
  ])('%s', (_, part, problem) => {
    const result = audit(input(part));
    expect(result.problems).toEqual([expect.objectContaining(problem)]);
    expect(result).toMatchObject({ balanced: false, problemCount: 1 });
  });
});

describe('no fault is seen in', () => {
  const well = { balanced: true, problems: [], lost: 0 };
  test('a torn write at the log’s end', () => {
    const result = audit(input({ log: { records: [], findings: [{ kind: 'torn_tail_cut', detail: 'cut' }] } }));
    expect(result).toMatchObject({ ...well, notes: [{ kind: 'log_torn_tail_cut' }] });
  });
  test('records not processed yet', () => {
    const record = { lane: 'local', collector: 'c', source: 'shop', hour: HOUR, count: 5 };
    const records = [
      { ...record, number: 2, sequence: 12n },
      { ...record, number: 3, sequence: 13n },
    ];
    const witnesses = [{ collector: 'c', number: 3, lane: 'local', sequence: 13n }];
    const result = audit(input({ log: { records, findings: [] }, witnesses }));
    expect(result).toMatchObject({
      ...well,
      accepted: 9,
      pending: 5,
      lanes: [{ lane: 'local', done: 12n, pending: 5, accepted: 9 }],
    });
  });
  test('a gap that nobody says was acknowledged', () => {
    const entries = new Map([[3, [stored(12n, 4)]]]);
    const ledger = [block({ entries, ackedThrough: -1 })];
    const result = audit(input({ ledger, witnesses: [], deep: undefined }));
    expect(result).toMatchObject({ ...well, unresolved: 3, notes: [{ kind: 'records_unresolved', number: 0 }] });
  });
  test('a gap that a lane behind may still fill', () => {
    const entries = new Map([[3, [stored(12n, 4)]]]);
    const lanes = new Map([
      ['local', { done: 12n, registry: {}, cuts: {} }],
      ['other', { done: 11n, registry: {}, cuts: {} }],
    ]);
    const ledger = [block({ entries, ackedThrough: 2 })];
    expect(audit(input({ ledger, lanes, witnesses: [], deep: undefined }))).toMatchObject({ ...well, unresolved: 3 });
  });
  test('a witness ahead of a log that cannot be looked into', () => {
    const witnesses = [{ collector: 'c', number: 4, lane: 'local', sequence: 13n }];
    expect(audit(input({ witnesses, log: undefined }))).toMatchObject({ ...well, unresolved: 2 });
  });
  test('events that retention or erasure took', () => {
    const expiredThrough = new Map([['local', 10n]]);
    const totals = totalsOf({ events: 1, expired: 2, erased: 1, expiredThrough, expiredBefore: `${HOUR}:30:00.000Z` });
    // Erased events are counted as stored in their record.
    expect(audit(input({ totals, deep: counts([11n, 1], [12n, 1]) }))).toMatchObject(well);
  });
  test('a record that a failed append wrote after all, and a second copy of one', () => {
    const entries = new Map([
      [0, [stored(10n, 2), { ...stored(13n, 2), stored: 0, duplicate: 2 }]],
      [1, [stored(11n)]],
      [2, [stored(12n)]],
    ]);
    const lanes = new Map([['local', { done: 13n, registry: {}, cuts: {} }]]);
    const result = audit(input({ ledger: [block({ entries, voids: new Set([1]) })], lanes }));
    expect(result).toMatchObject({ ...well, accepted: 4, redelivered: 2, duplicate: 2 });
  });
});

test('a gap of any size is one problem, counted whole', () => {
  const result = audit(input({ witnesses: [{ collector: 'c', number: 2 ** 50, lane: 'local', sequence: 12n }] }));
  expect(result).toMatchObject({ lost: 2 ** 50 - 2, problemCount: 1 });
});

describe('where records wait is told', () => {
  test('by the records that the log lists, but for those done since', () => {
    const record = { collector: 'c', number: 3, count: 5, source: 'shop', hour: HOUR };
    const records = [12n, 13n].map((sequence) => ({ ...record, lane: 'local', sequence }));
    expect(audit(input({ log: { records, findings: [] } }))).toMatchObject({ pending: 5, waiting: ['local'] });
    const done = records.slice(0, 1);
    expect(audit(input({ log: { records: done, findings: [] } }))).toMatchObject({ pending: 0, waiting: [] });
  });

  test('by the lanes alone where the log lists no records', () => {
    const lanes = new Map([
      ['local', 1_000],
      ['shard-1', undefined],
    ]);
    expect(audit(input({ log: { lanes, findings: [] } }))).toMatchObject({ pending: 0, waiting: ['shard-1'] });
  });
});

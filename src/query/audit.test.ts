import { describe, expect, test } from 'vitest';
import { totalsOf } from '../../tests/listed-reads.ts';
import { noIdentities, type OutcomeIdentities } from '../core/identities.ts';
import type { Witness } from '../store/event-store.ts';
import { type AuditInput, audit } from './audit.ts';
import type { LedgerBlock } from './ledger-reading.ts';
import { Cells, countCopy } from './sealed.ts';

const HOUR = '2026-11-23T10';
/** Stands for the sum of a record's checksums. */
const sumOf = (sequence: bigint, events: number) => events * 1_000 + Number(sequence);
const stored = (sequence: bigint, count = 1) => ({
  ...{ sequence, hour: HOUR, count, stored: count, duplicate: 0, bad: 0, dead: 0 },
  identities: { ...noIdentities(), came: sumOf(sequence, count), stored: sumOf(sequence, count) },
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

const counts = (...events: readonly (readonly [sequence: bigint, events: number, identities?: number])[]) => {
  const at = { lane: 'local', source: 'shop', hour: HOUR };
  const records = events.map(([sequence, of, identities = sumOf(sequence, of)]) => {
    return { ...at, sequence, events: of, identities };
  });
  return { counts: { records, hours: records }, totals: totalsOf({ events: 4 }), doubled: [] };
};

const WHOLE = sumOf(10n, 2) + sumOf(11n, 1) + sumOf(12n, 1);
const witnessOf = (counted: Witness['counted']) => ({
  collector: 'c',
  number: 2,
  lane: 'local',
  sequence: 12n,
  counted,
});

/** Where no record is counted by itself. */
const hourOf = ({ counts: { hours }, ...deep }: ReturnType<typeof counts>) => ({
  ...deep,
  counts: { records: [], hours },
});

/** Three records of one collector, four events, all well. */
function input(part: Partial<AuditInput> = {}): AuditInput {
  return {
    witnesses: [witnessOf({ events: 4, identities: WHOLE })],
    log: { records: [], findings: [] },
    ledger: [block()],
    lanes: new Map([['local', { done: 12n, registry: {}, cuts: {} }]]),
    totals: totalsOf({ events: 4 }),
    deep: counts([10n, 2], [11n, 1], [12n, 1]),
    ...part,
  };
}

/** The same three records in totals alone. */
function sealedWhole(identities: Partial<OutcomeIdentities> = {}): Pick<AuditInput, 'sealed' | 'ledger'> {
  const cells = new Cells();
  for (const [sequence, events] of [[10n, 2] as const, [11n, 1] as const, [12n, 1] as const]) {
    const copy = stored(sequence, events);
    countCopy(cells.of({ lane: 'local', source: 'shop', hour: HOUR }), copy, { isFirst: true });
  }
  Object.assign(cells.of({ lane: 'local', source: 'shop', hour: HOUR }).identities, identities);
  const collector = { through: 2, lastAtMs: 0, lost: [], unresolved: [], counted: { events: 4, identities: WHOLE } };
  const collectors = new Map([['c', collector]]);
  return { sealed: { lanes: new Map([['local', 12n]]), collectors, olderThrough: '', cells }, ledger: [] };
}

const OUTCOMES = { accepted: 4, stored: 4, duplicate: 0, bad: 0, dead: 0, forgotten: 0, pending: 0, redelivered: 0 };

test('what is well is balanced', () => {
  expect(audit(input())).toEqual({
    ...{ balanced: true, deep: true, ...OUTCOMES },
    ...{ lost: 0, unresolved: 0, unwitnessed: 0, expired: 0, badExpired: 0, erased: 0, waiting: [] },
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
      { kind: 'event_missing', collector: 'c', number: 0, lane: 'local', sequence: 10n, source: 'shop', hour: HOUR },
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
      { kind: 'event_unaccounted', lane: 'local', sequence: 99n, source: 'shop', hour: HOUR },
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
      { kind: 'record_unbalanced', number: 0, lane: 'local', sequence: 10n, source: 'shop', hour: HOUR },
    ],
    [
      'an event in the place of another in its record',
      { deep: counts([10n, 2, 77], [11n, 1], [12n, 1]) },
      { kind: 'identities_differ', collector: 'c', number: 0, lane: 'local', sequence: 10n },
    ],
    [
      'an event gone and another doubled, in an hour of which single records are not known any more',
      { ...sealedWhole(), deep: hourOf(counts([10n, 2], [12n, 2, sumOf(12n, 1) * 2])) },
      { kind: 'identities_differ', lane: 'local', source: 'shop', hour: HOUR },
    ],
    [
      'a record of which other events came out than were put in',
      {
        ledger: [
          block({
            entries: new Map([
              [0, [{ ...stored(10n, 2), identities: { ...noIdentities(), came: 77, stored: sumOf(10n, 2) } }]],
              [1, [stored(11n)]],
              [2, [stored(12n)]],
            ]),
          }),
        ],
        witnesses: [],
      },
      { kind: 'identities_differ', collector: 'c', number: 0, lane: 'local', sequence: 10n },
    ],
    [
      'the same of records that are sealed',
      { ...sealedWhole({ came: 77 }), deep: hourOf(counts([10n, 2], [11n, 1], [12n, 1])) },
      { kind: 'identities_differ', lane: 'local', source: 'shop', hour: HOUR },
    ],
    [
      'a record that is less than its collector counted',
      { witnesses: [witnessOf({ events: 5, identities: WHOLE })] },
      { kind: 'collector_differs', collector: 'c', detail: expect.stringContaining('5 events, the ledger has 4') },
    ],
    [
      'a record that another has taken the place of',
      { witnesses: [witnessOf({ events: 4, identities: 77 })] },
      { kind: 'collector_differs', collector: 'c', detail: expect.stringContaining('not the same ones') },
    ],
    [
      'the last records gone, and how many events they were',
      { witnesses: [{ ...witnessOf({ events: 11, identities: 77 }), number: 4, sequence: 14n }] },
      { kind: 'records_lost', number: 3, detail: expect.stringContaining('7 events are missing') },
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
    const record = { lane: 'local', collector: 'c', source: 'shop', hour: HOUR, count: 5, voids: [], identities: 7 };
    const records = [
      { ...record, number: 2, sequence: 12n },
      { ...record, number: 3, sequence: 13n },
    ];
    const witnesses = [{ ...witnessOf({ events: 9, identities: WHOLE + 7 }), number: 3, sequence: 13n }];
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
    const deep = { ...counts([11n, 1], [12n, 1]), totals };
    expect(audit(input({ totals, deep }))).toMatchObject(well);
  });
  test('a record that a failed append wrote after all, and a second copy of one', () => {
    const again = { ...noIdentities(), came: sumOf(10n, 2), duplicate: sumOf(10n, 2) };
    const entries = new Map([
      [0, [stored(10n, 2), { ...stored(13n, 2), stored: 0, duplicate: 2, identities: again }]],
      [1, [stored(11n)]],
      [2, [stored(12n)]],
    ]);
    const lanes = new Map([['local', { done: 13n, registry: {}, cuts: {} }]]);
    // What is void was not promised, and its collector did not count it.
    const witnesses = [witnessOf({ events: 3, identities: WHOLE - sumOf(11n, 1) })];
    const result = audit(input({ ledger: [block({ entries, voids: new Set([1]) })], lanes, witnesses }));
    expect(result).toMatchObject({ ...well, accepted: 4, redelivered: 2, duplicate: 2 });
  });
  test('a void number that only a record not processed yet tells of', () => {
    const record = { lane: 'local', collector: 'c', source: 'shop', hour: HOUR, count: 5, identities: 7 };
    const records = [{ ...record, number: 4, sequence: 13n, voids: [3] }];
    const witnesses = [{ ...witnessOf({ events: 9, identities: WHOLE + 7 }), number: 4, sequence: 13n }];
    expect(audit(input({ log: { records, findings: [] }, witnesses }))).toMatchObject(well);
  });
  test('records of a version that knew no checksums', () => {
    const { identities, ...old } = stored(11n);
    const entries = new Map([
      [0, [stored(10n, 2)]],
      [1, [old]],
      [2, [stored(12n)]],
    ]);
    const result = audit(input({ ledger: [block({ entries })], witnesses: [witnessOf({ events: 9, identities: 7 })] }));
    expect(result).toMatchObject(well);
  });
  test('a witness of a version that counted nothing', () => {
    expect(audit(input({ witnesses: [witnessOf(undefined)] }))).toMatchObject(well);
  });
});

test('what no witness speaks of yet is told', () => {
  const witnesses = [{ ...witnessOf({ events: 2, identities: sumOf(10n, 2) }), number: 0, sequence: 10n }];
  expect(audit(input({ witnesses }))).toMatchObject({ balanced: true, unwitnessed: 2 });
  expect(audit(input({ witnesses: [] }))).toMatchObject({ balanced: true, unwitnessed: 3 });
});

test('a gap of any size is one problem, counted whole', () => {
  const result = audit(input({ witnesses: [{ collector: 'c', number: 2 ** 50, lane: 'local', sequence: 12n }] }));
  expect(result).toMatchObject({ lost: 2 ** 50 - 2, problemCount: 1 });
});

describe('where records wait is told', () => {
  test('by the records that the log lists, but for those done since', () => {
    const record = { collector: 'c', number: 3, count: 5, source: 'shop', hour: HOUR, voids: [] };
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

  test('by the lane alone where too many records wait to be listed, of which none is taken for lost', () => {
    const log = { lanes: new Map([['local', undefined]]), findings: [] };
    const witnesses = [{ collector: 'c', number: 90_000, lane: 'local', sequence: 90_012n }];
    expect(audit(input({ log, witnesses }))).toMatchObject({
      ...{ balanced: true, pending: 0, lost: 0, unresolved: 89_998, waiting: ['local'] },
    });
    // What is lost among those that are done is named all the same.
    const gap = block({ entries: new Map([[2, [stored(12n)]]]), ackedThrough: 2 });
    expect(audit(input({ log, witnesses, ledger: [gap] }))).toMatchObject({ balanced: false, lost: 2 });
  });
});

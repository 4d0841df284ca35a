import { describe, expect, test } from 'vitest';
import { foldLedger, ledgerBucket, ledgerRows } from '../process/views/ledger.ts';
import type { Row, Witness } from '../store/event-store.ts';
import { decodeSealed, encodeSealed, nothingSealed } from './sealed.ts';
import { sealNext } from './sealing.ts';

const HOUR = '2026-11-23T10';
const AT_MS = Date.parse(`${HOUR}:30:00.000Z`);
const DAY_MS = 86_400_000;

/** Four records of one event each, of one collector, all done; the checksum of each is its number and 1. */
function rows(): readonly Row[] {
  const state = ledgerRows.empty();
  for (let number = 0; number < 4; number += 1) {
    const sums = { came: number + 1, stored: number + 1, duplicate: 0, bad: 0, dead: 0, forgotten: 0 };
    const entry = { sequence: BigInt(number), hour: HOUR, count: 1, stored: 1, duplicate: 0, bad: 0, dead: 0 };
    const header = { number, ackedThrough: number - 1, voids: [] };
    foldLedger(state, { header, arrivedAtMs: AT_MS }, { ...entry, identities: sums });
  }
  const bucket = ledgerBucket({ collector: 'c', number: 0 });
  const text = ledgerRows.encode(state);
  return [{ key: { view: 'ledger', version: 1, source: 'shop', bucket, lane: 'local' }, text, mark: 'as read' }];
}

/** What one pass makes of them, with what the collector says of itself. */
function sealed({ witness, nowMs = AT_MS }: { readonly witness?: Partial<Witness>; readonly nowMs?: number } = {}) {
  const witnesses = witness && [{ collector: 'c', number: 3, lane: 'local', sequence: 3n, atMs: AT_MS, ...witness }];
  return sealNext({
    sealed: nothingSealed(),
    ...{ rows: rows(), decode: ledgerRows.decode, witnesses: witnesses ?? [], blockNumbers: 1, nowMs },
    lanes: new Map([['local', { done: 3n, registry: {}, cuts: {} }]]),
  });
}

describe('what is kept of a collector', () => {
  test('is what was counted of it, also once it was written', () => {
    const next = sealed({ witness: { counted: { events: 4, identities: 10 } } });
    const collector = { through: 3, lastAtMs: AT_MS, lost: [], unresolved: [], counted: { events: 4, identities: 10 } };
    expect(next?.sealed.collectors.get('c')).toEqual(collector);
    const read = decodeSealed(encodeSealed(next?.sealed ?? nothingSealed()));
    expect(read.collectors.get('c')).toEqual(collector);
    expect(read.cells.of({ lane: 'local', source: 'shop', hour: HOUR })).toMatchObject({
      ...{ copies: 4, knownCopies: 4, identities: { came: 10, stored: 10, duplicate: 0, bad: 0, dead: 0 } },
    });
  });

  test('ends where its witness does, for what is beyond could not be held against a later one', () => {
    const next = sealed({ witness: { number: 1, sequence: 1n, counted: { events: 2, identities: 3 } } });
    expect(next?.sealed.collectors.get('c')).toMatchObject({ through: 1, counted: { events: 2, identities: 3 } });
    expect(next?.rows).toEqual([]);
    // One that counts nothing has nothing that could be held against it.
    expect(sealed({ witness: { number: 1, sequence: 1n } })?.sealed.collectors.get('c')).toMatchObject({ through: 2 });
  });

  test('goes with its witness once it is over', () => {
    const next = sealed({ witness: { counted: { events: 4, identities: 10 } }, nowMs: AT_MS + 3 * DAY_MS });
    expect(next?.witnesses.map(({ collector }) => collector)).toEqual(['c']);
    expect(next?.rows).toHaveLength(1);
  });

  test('keeps a witness that says something else, so that it goes on being told', () => {
    const next = sealed({ witness: { counted: { events: 4, identities: 11 } }, nowMs: AT_MS + 3 * DAY_MS });
    expect(next?.witnesses).toEqual([]);
    expect(next?.sealed.collectors.get('c')).toMatchObject({ through: 3, counted: { events: 4, identities: 10 } });
  });
});

test('totals that an older program wrote have no checksums, and say so', () => {
  const text = JSON.stringify({
    format: 1,
    lanes: { local: '3' },
    collectors: { c: [3, AT_MS] },
    cells: [['local', 'shop', HOUR, 4, 4, 4, 0, 0, 0, 0, 0]],
  });
  const read = decodeSealed(text);
  expect(read.collectors.get('c')).toEqual({ through: 3, lastAtMs: AT_MS, lost: [], unresolved: [] });
  expect(read.cells.of({ lane: 'local', source: 'shop', hour: HOUR })).toMatchObject({ copies: 4, knownCopies: 0 });
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { totalsOf } from '../../tests/listed-reads.ts';
import type { LaneState } from '../store/event-store.ts';
import { audit } from './audit.ts';
import type { LedgerBlock, PendingRecord } from './ledger-reading.ts';
import type { LedgerCopy } from './sealed.ts';

const BLOCK = 4;
const HOUR = '2026-11-23T10';

/** What happened to one number of a collector: its append failed, hangs, or was acknowledged, once or twice in the log. */
const anyFate = fc.record({
  append: fc.constantFrom('acknowledged', 'acknowledged', 'acknowledged', 'failed', 'failed but written', 'hangs'),
  copies: fc.constantFrom(1, 1, 1, 2),
  isCut: fc.constantFrom(false, false, false, true),
  outcomes: fc.tuple(fc.nat(3), fc.nat(1), fc.nat(1), fc.nat(1)),
});

interface Sent extends LedgerCopy {
  readonly collector: string;
  readonly number: number;
  readonly ackedThrough: number;
  readonly voids: readonly number[];
  readonly isCut: boolean;
}

/** The log, as collectors that keep the rules of the ledger write it, one after another; and what of it was taken away. */
function logOf(collectors: ReadonlyMap<string, readonly FateOf[]>): readonly Sent[] {
  const log: Sent[] = [];
  for (const [collector, fates] of collectors) {
    const voids: number[] = [];
    let hangs = Number.POSITIVE_INFINITY;
    for (const [number, { append, copies, isCut, outcomes }] of fates.entries()) {
      const ackedThrough = Math.min(hangs, number) - 1;
      const [stored, duplicate, bad, dead] = outcomes;
      const count = stored + duplicate + bad + dead;
      const record = { collector, number, ackedThrough, voids: [...voids], count, isCut };
      const isWritten = append === 'acknowledged' || append === 'failed but written';
      for (let copy = 0; isWritten && copy < copies; copy += 1) {
        const sequence = BigInt(log.length);
        const again = { stored: 0, duplicate: count, bad: 0, dead: 0 };
        log.push({ ...record, sequence, hour: HOUR, ...(copy === 0 ? { stored, duplicate, bad, dead } : again) });
      }
      if (append === 'hangs') hangs = Math.min(hangs, number);
      if (append.startsWith('failed')) voids.push(number);
    }
  }
  return log;
}
type FateOf = typeof anyFate extends fc.Arbitrary<infer Fate> ? Fate : never;

function blocksOf(records: readonly Sent[]): readonly LedgerBlock[] {
  const blocks = new Map<string, LedgerBlock & { entries: Map<number, LedgerCopy[]>; voids: Set<number> }>();
  for (const { collector, number, ackedThrough, voids, ...copy } of records) {
    const name = `${collector}/${Math.floor(number / BLOCK)}`;
    const before = blocks.get(name);
    const entries = before?.entries ?? new Map<number, LedgerCopy[]>();
    entries.set(number, [...(entries.get(number) ?? []), copy]);
    blocks.set(name, {
      ...{ collector, lane: 'local', source: 'shop', entries, arrivedAtMs: 0 },
      ackedThrough: Math.max(before?.ackedThrough ?? -1, ackedThrough),
      voids: new Set([...(before?.voids ?? []), ...voids]),
    });
  }
  return [...blocks.values()];
}

const anyHistory = fc.record({
  one: fc.array(anyFate, { maxLength: 14 }),
  two: fc.array(anyFate, { maxLength: 14 }),
  done: fc.integer({ min: -1, max: 40 }),
});

test('on any history, exactly what was acknowledged and is nowhere is lost, and the sums agree', () => {
  fc.assert(
    fc.property(anyHistory, ({ one, two, done }) => {
      const log = logOf(
        new Map([
          ['one', one],
          ['two', two],
        ]),
      );
      const left = log.filter(({ isCut }) => !isCut);
      const processed = left.filter(({ sequence }) => sequence <= BigInt(done));
      const pending = left.filter(({ sequence }) => sequence > BigInt(done));
      const sum = (of: (copy: LedgerCopy) => number) => processed.reduce((total, copy) => total + of(copy), 0);
      const lanes = new Map<string, LaneState>([['local', { done: BigInt(done), registry: {}, cuts: {} }]]);
      const result = audit({
        witnesses: [],
        // The log may have been looked at before the store went on.
        log: {
          records: left.map(
            ({ identities, ...record }): PendingRecord => ({ lane: 'local', source: 'shop', ...record }),
          ),
          findings: [],
        },
        ledger: blocksOf(processed),
        lanes,
        totals: totalsOf({ events: sum(({ stored }) => stored), bad: sum(({ bad }) => bad), dead: processed.length }),
      });

      let lost = 0;
      let unresolved = 0;
      for (const collector of ['one', 'two']) {
        const isOf = (record: Sent) => record.collector === collector;
        const settled = Math.max(-1, ...processed.filter(isOf).map(({ ackedThrough }) => ackedThrough));
        const highest = Math.max(settled, ...left.filter(isOf).map(({ number }) => number));
        for (let number = 0; number <= highest; number += 1) {
          if (left.some((record) => isOf(record) && record.number === number)) continue;
          if (left.some((record) => isOf(record) && record.voids.includes(number))) continue;
          if (number <= settled) lost += 1;
          else unresolved += 1;
        }
      }
      expect(result).toMatchObject({
        lost,
        unresolved,
        pending: pending.reduce((total, { count }) => total + count, 0),
      });
      expect(result.accepted + result.redelivered).toBe(
        result.stored + result.duplicate + result.bad + result.dead + result.pending,
      );
      expect(result.sources.map(({ accepted }) => accepted)).toEqual(left.length === 0 ? [] : [result.accepted]);
      expect(result.problems.every(({ kind }) => kind === 'records_lost')).toBe(true);
      expect(result.balanced).toBe(lost === 0);
      // Nothing that was only never acknowledged is called lost.
      if (log.every(({ isCut }) => !isCut)) expect(lost).toBe(0);
    }),
    { numRuns: 500 },
  );
});

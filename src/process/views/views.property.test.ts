import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyEvent } from '../../../tests/events.ts';
import { type Stitched, stitched } from '../../../tests/stitched.ts';
import { noIdentities } from '../../core/identities.ts';
import { LIMITS } from '../../core/limits.ts';
import type { RowCodec, Values, View } from '../../core/view.ts';
import { openingBeside, openingOf, VALUE_NAMES } from './dimensions.ts';
import { foldLedger, type LedgerEntry, ledgerRows, mergeLedger } from './ledger.ts';
import { VIEWS } from './registry.ts';

/** States are compared by their text: equal states encode equally. */
function laws<State>(
  name: string,
  codec: RowCodec<State>,
  merge: (a: State, b: State) => State,
  states: fc.Arbitrary<State>,
) {
  describe(name, () => {
    const text = (state: State) => codec.encode(state);
    test('merge is associative', () => {
      fc.assert(
        fc.property(states, states, states, (a, b, c) => text(merge(merge(a, b), c)) === text(merge(a, merge(b, c)))),
      );
    });
    test('merge is commutative', () => {
      fc.assert(fc.property(states, states, (a, b) => text(merge(a, b)) === text(merge(b, a))));
    });
    test('empty is its identity', () => {
      fc.assert(
        fc.property(
          states,
          (a) => text(merge(a, codec.empty())) === text(a) && text(merge(codec.empty(), a)) === text(a),
        ),
      );
    });
    test('merge changes neither of its arguments', () => {
      fc.assert(
        fc.property(states, states, (a, b) => {
          const before = [text(a), text(b)];
          merge(a, b);
          expect([text(a), text(b)]).toEqual(before);
        }),
      );
    });
    test('what is encoded is decoded', () => {
      fc.assert(fc.property(states, (a) => text(codec.decode(text(a))) === text(a)));
    });
  });
}

const histories = fc.array(anyEvent, { maxLength: 30 }).map(stitched);

/** What a batch brings: its events, folded by what each is folded with. */
function deltasOf(view: View, batch: readonly Stitched[]): ReadonlyMap<string, unknown> {
  const deltas = new Map<string, unknown>();
  for (const [order, { event, facts }] of batch.entries()) {
    const at = view.at(event, facts);
    if (at !== undefined) deltas.set(at, view.fold(deltas.get(at) ?? view.empty(), event, facts, order));
  }
  return deltas;
}

/** The rows after these batches, one after the other, as text: as the store has them. */
function rowsAfter(view: View, batches: readonly (readonly Stitched[])[]): ReadonlyMap<string, string> {
  const rows = new Map<string, string>();
  for (const batch of batches) {
    const updates = new Map<string, unknown[]>();
    for (const [at, delta] of deltasOf(view, batch)) {
      for (const bucket of view.buckets(at)) updates.set(bucket, [...(updates.get(bucket) ?? []), delta]);
    }
    for (const [bucket, deltas] of updates) {
      const row = view.decode(rows.get(bucket) ?? view.encode(view.empty()));
      rows.set(bucket, view.encode(view.absorb(row, deltas, bucket)));
    }
  }
  return rows;
}

function foldAll(view: View, history: readonly Stitched[]): unknown {
  return history
    .filter(({ event, facts }) => view.at(event, facts) !== undefined)
    .reduce((state, { event, facts }, order) => view.fold(state, event, facts, order), view.empty());
}

/** A list cut in two or three parts. */
const cuts = fc.tuple(fc.nat(30), fc.nat(30)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

for (const view of VIEWS) {
  laws(
    view.name,
    view,
    (a, b) => view.merge(a, b),
    histories.map((history) => foldAll(view, history)),
  );

  describe(`${view.name}, in parts`, () => {
    test('folding a list is merging the folds of its parts, in any order', () => {
      fc.assert(
        fc.property(histories, cuts, (history, [from, to]) => {
          const parts = [history.slice(to), history.slice(0, from), history.slice(from, to)];
          const merged = parts.map((part) => foldAll(view, part)).reduce((a, b) => view.merge(a, b));
          expect(view.encode(merged)).toBe(view.encode(foldAll(view, history)));
        }),
      );
    });
    test('folding goes on from decoded text as from the state itself', () => {
      fc.assert(
        fc.property(histories, fc.nat(30), (history, at) => {
          const counted = history.filter(({ event, facts }) => view.at(event, facts) !== undefined);
          const before = view.decode(view.encode(foldAll(view, counted.slice(0, at))));
          const resumed = counted
            .slice(at)
            .reduce((state, { event, facts }, order) => view.fold(state, event, facts, order), before);
          expect(view.encode(resumed)).toBe(view.encode(foldAll(view, counted)));
        }),
      );
    });
    test('the rows after any batches are those after one, and after an event at a time', () => {
      fc.assert(
        fc.property(histories, cuts, (history, [from, to]) => {
          const rows = rowsAfter(view, [history]);
          const batches = [history.slice(0, from), history.slice(from, to), history.slice(to)];
          expect(rowsAfter(view, batches)).toEqual(rows);
          expect(
            rowsAfter(
              view,
              history.map((one) => [one]),
            ),
          ).toEqual(rows);
        }),
        { numRuns: 40 },
      );
    });
    test('absorbing changes no delta, for several rows share one', () => {
      fc.assert(
        fc.property(histories, fc.nat(30), (history, at) => {
          const row = foldAll(view, history.slice(0, at));
          const deltas = [...deltasOf(view, history.slice(at))];
          const before = deltas.map(([, delta]) => view.encode(delta));
          for (const [minute] of deltas) {
            const bucket = view.buckets(minute)[0] ?? '';
            view.absorb(
              row,
              deltas.map(([, delta]) => delta),
              bucket,
            );
          }
          expect(deltas.map(([, delta]) => view.encode(delta))).toEqual(before);
        }),
      );
    });
  });
}

const ledgerEntry: fc.Arbitrary<LedgerEntry> = fc.record({
  sequence: fc.bigInt({ min: 0n, max: 10n ** 55n }),
  hour: fc.constantFrom('', '2026-11-23T10', '2026-11-23T11'),
  count: fc.nat(5),
  stored: fc.nat(5),
  duplicate: fc.nat(5),
  bad: fc.nat(5),
  dead: fc.nat(5),
  forgotten: fc.constantFrom(undefined, 1, 2),
  identities: fc.option(
    fc.oneof(
      fc.nat().map((sum) => ({ ...noIdentities(), came: sum, stored: sum })),
      fc.record({
        ...{ came: fc.nat(), stored: fc.nat(), duplicate: fc.nat(), bad: fc.nat(), dead: fc.nat() },
        forgotten: fc.nat(3),
      }),
    ),
    { nil: undefined },
  ),
});
const header = fc.record({
  number: fc.nat(LIMITS.ledgerBlockNumbers - 1),
  ackedThrough: fc.integer({ min: -1, max: 300 }),
  voids: fc.array(fc.nat(300), { maxLength: 3 }),
});
const ledgerStates = fc
  .array(fc.tuple(header, ledgerEntry, fc.option(fc.nat(), { nil: undefined })))
  .map((records) =>
    records.reduce(
      (state, [head, entry, arrivedAtMs]) => foldLedger(state, { header: head, arrivedAtMs }, entry),
      ledgerRows.empty(),
    ),
  );
laws('ledger', ledgerRows, mergeLedger, ledgerStates);

test('a row of the ledger in format 1 is read, and what is added to it is written in format 2', () => {
  const row = ledgerRows.decode('[4,[2],[[3,"90",2],[5,"91",3,1,1,1,0]]]');
  const stored = { sequence: 90n, hour: '', count: 2, stored: 2, duplicate: 0, bad: 0, dead: 0 };
  expect(row.entries.get(3)).toEqual([stored]);
  expect(row).toMatchObject({ ackedThrough: 4, voids: new Set([2]), arrivedAtMs: 0 });
  const header = { number: 6, ackedThrough: 5, voids: [] };
  const more = foldLedger(row, { header, arrivedAtMs: 7 }, { ...stored, sequence: 92n, hour: '2026-11-23T10' });
  const text = ledgerRows.encode(more);
  expect(text).toBe('[2,5,[2],7,[["",[[3,"90",2],[5,"91",3,1,1,1,0]]],["2026-11-23T10",[[6,"92",2]]]]]');
  expect(ledgerRows.decode(text)).toEqual(more);
});

test('an hour of the ledger has its sums apart, where older programs pass over them', () => {
  const header = { number: 6, ackedThrough: 5, voids: [] };
  const whole = { sequence: 90n, hour: '2026-11-23T10', count: 2, stored: 2, duplicate: 0, bad: 0, dead: 0 };
  const half = { ...whole, sequence: 91n, stored: 1, bad: 1 };
  const state = [
    whole,
    { ...whole, sequence: 92n, identities: { ...noIdentities(), came: 7, stored: 7 } },
    { ...half, identities: { ...noIdentities(), came: 9, stored: 4, bad: 5 } },
  ].reduce((row, entry) => foldLedger(row, { header }, entry), ledgerRows.empty());
  const text = ledgerRows.encode(state);
  expect(text).toBe('[2,5,[],0,[["2026-11-23T10",[[6,"90",2],[6,"91",2,1,0,1,0],[6,"92",2]],[null,[9,4,0,5,0],7]]]]');
  expect(ledgerRows.encode(ledgerRows.decode(text))).toBe(text);
});

test('the ledger absorbs what it would merge, and changes no delta', () => {
  fc.assert(
    fc.property(ledgerStates, fc.array(ledgerStates, { maxLength: 3 }), (row, deltas) => {
      const texts = deltas.map((delta) => ledgerRows.encode(delta));
      const merged = ledgerRows.encode(deltas.reduce(mergeLedger, row));
      expect(ledgerRows.encode(ledgerRows.absorb(row, deltas, 'c1/000000000000'))).toBe(merged);
      expect(deltas.map((delta) => ledgerRows.encode(delta))).toEqual(texts);
    }),
  );
});

/** Every value there is: one that is left out here does not compile. */
const SOME: { readonly [Name in keyof Values]-?: readonly Values[Name][] } = {
  eventType: ['page', 'Clicked'],
  page: ['/', '/cart', '__proto__'],
  browser: ['Firefox'],
  os: ['Linux'],
  device: ['phone'],
  bot: [true],
  language: ['de'],
  country: ['AT'],
  referrer: ['google.com'],
  channel: ['search'],
  source: ['Google'],
  medium: ['organic'],
  campaign: ['spring'],
};

test('what is kept of the opening beside an event gives it back whole, every value of it', () => {
  expect(new Set<string>(VALUE_NAMES)).toEqual(new Set(Object.keys(SOME)));
  const { eventType, ...others } = SOME;
  const optional = Object.entries(others).map(([name, list]) => [name, fc.constantFrom(...list)] as const);
  const values = fc
    .record(
      { eventType: fc.constantFrom(...eventType), ...Object.fromEntries(optional) },
      { requiredKeys: ['eventType'] },
    )
    .map((record) => record as Values);
  fc.assert(
    fc.property(values, values, (own, opening) => {
      const kept = openingBeside(own, opening);
      const facts = kept === undefined ? {} : { opening: JSON.parse(JSON.stringify(kept)) as typeof kept };
      expect(openingOf(own, facts)).toEqual(opening);
      expect(openingBeside(own, own)).toBeUndefined();
    }),
  );
});

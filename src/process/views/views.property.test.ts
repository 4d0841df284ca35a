import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyEvent, factsWith } from '../../../tests/events.ts';
import { LIMITS } from '../../core/limits.ts';
import type { RowCodec, View } from '../../core/view.ts';
import { foldLedger, type LedgerEntry, ledgerCodec, mergeLedger } from './ledger.ts';
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

const facts = factsWith();
for (const view of VIEWS) {
  const fold = (events: readonly Parameters<View['keys']>[0][]) =>
    events
      .filter((event) => view.keys(event, facts).length > 0)
      .reduce((state, event) => view.fold(state, event, facts), view.empty());
  laws(view.name, view, view.merge, fc.array(anyEvent).map(fold));

  test(`${view.name}: folding a list is merging the folds of its parts, in any order`, () => {
    fc.assert(
      fc.property(fc.array(anyEvent), fc.nat(), (events, at) => {
        const cut = at % (events.length + 1);
        const parts = view.merge(fold(events.slice(cut)), fold(events.slice(0, cut)));
        expect(view.encode(parts)).toBe(view.encode(fold(events)));
      }),
    );
  });
  test(`${view.name}: goes on from its decoded text as from itself`, () => {
    fc.assert(
      fc.property(fc.array(anyEvent), fc.array(anyEvent), (before, after) => {
        const resumed = after
          .filter((event) => view.keys(event, facts).length > 0)
          .reduce((state, event) => view.fold(state, event, facts), view.decode(view.encode(fold(before))));
        expect(view.encode(resumed)).toBe(view.encode(fold([...before, ...after])));
      }),
    );
  });
}

const ledgerEntry: fc.Arbitrary<LedgerEntry> = fc.record({
  sequence: fc.bigInt({ min: 0n, max: 10n ** 55n }),
  count: fc.nat(5),
  stored: fc.nat(5),
  duplicate: fc.nat(5),
  bad: fc.nat(5),
  dead: fc.nat(5),
});
const header = fc.record({
  number: fc.nat(LIMITS.ledgerBlockNumbers - 1),
  ackedThrough: fc.integer({ min: -1, max: 300 }),
  voids: fc.array(fc.nat(300), { maxLength: 3 }),
});
const ledgerStates = fc
  .array(fc.tuple(header, ledgerEntry))
  .map((records) => records.reduce((state, [head, entry]) => foldLedger(state, head, entry), ledgerCodec.empty()));
laws('ledger', ledgerCodec, mergeLedger, ledgerStates);

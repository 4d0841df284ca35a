import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { COARSE, FINE, hashOf, type Precision, standardErrorOf, Uniques } from './uniques.ts';

/** Full soon, so that few texts meet both forms and the change from one to the other. */
const TINY: Precision = { bits: 4, exactMax: 5 };

function uniquesOf(texts: Iterable<string>, precision: Precision): Uniques {
  const uniques = new Uniques(precision);
  for (const text of texts) uniques.add(hashOf(text));
  return uniques;
}

function visitorsOf(count: number, seed = 1): readonly string[] {
  return Array.from({ length: count }, (_, visitor) => `shop\0${seed}-${visitor}`);
}

describe.each([
  ['fine', FINE],
  ['coarse', COARSE],
])('uniques, %s', (_, precision) => {
  test('are counted one by one up to exactMax', () => {
    for (const count of [0, 1, 2, 10, 100, precision.exactMax / 2]) {
      expect(uniquesOf(visitorsOf(count), precision).count()).toBe(count);
    }
  });
  test('miss one of exactMax in ten such counts at the most', () => {
    let missed = 0;
    for (let seed = 0; seed < 100; seed += 1) {
      const { exactMax } = precision;
      const counted = uniquesOf(visitorsOf(exactMax, seed), precision).count();
      expect(counted).toBeLessThanOrEqual(exactMax);
      expect(counted).toBeGreaterThanOrEqual(exactMax - 2);
      missed += exactMax - counted;
    }
    // Ten are expected; 20 are three standard deviations more.
    expect(missed).toBeLessThan(20);
  });
  test('count once what comes again, in either form', () => {
    for (const count of [10, 2 * precision.exactMax]) {
      const texts = visitorsOf(count);
      const once = uniquesOf(texts, precision);
      expect(uniquesOf([...texts, ...texts], precision).encode()).toBe(once.encode());
      const before = once.count();
      once.addAll(uniquesOf(texts, precision));
      expect(once.count()).toBe(before);
    }
  });
  test('come back from their text, in either form, and go on from it', () => {
    const { exactMax } = precision;
    for (const count of [0, 1, exactMax, exactMax + 5, 50_000]) {
      const uniques = uniquesOf(visitorsOf(count), precision);
      const text = uniques.encode();
      expect(text.startsWith('=')).toBe(count > exactMax);
      const back = Uniques.decode(text, precision);
      expect(back.encode()).toBe(text);
      expect(back.count()).toBe(uniques.count());
      back.add(hashOf('another'));
      uniques.add(hashOf('another'));
      expect(back.encode()).toBe(uniques.encode());
    }
  });
  test.each([1_000, 10_000, 20_000, 100_000])('beyond it, their error over %i is the stated one', (count) => {
    const trials = 40;
    let squares = 0;
    let sum = 0;
    for (let seed = 0; seed < trials; seed += 1) {
      const error = (uniquesOf(visitorsOf(count, seed), precision).count() - count) / count;
      squares += error * error;
      sum += error;
    }
    // The root mean square over 40 trials strays by about 1 / sqrt(80), and 1.35 is three times that.
    expect(Math.sqrt(squares / trials)).toBeLessThan(standardErrorOf(precision) * 1.35);
    expect(Math.abs(sum / trials)).toBeLessThan((3 * standardErrorOf(precision)) / Math.sqrt(trials));
  });
});

describe('merging', () => {
  const parts = fc.array(fc.array(fc.nat(60).map(String), { maxLength: 12 }), { maxLength: 6 });

  test.each([
    ['tiny', TINY],
    ['coarse', COARSE],
  ])('parts in any order, sparse or dense, read back or not, gives what all of them give, %s', (_, precision) => {
    fc.assert(
      fc.property(parts, fc.infiniteStream(fc.boolean()), (texts, isReadBack) => {
        const all = uniquesOf(texts.flat(), precision);
        const folded = texts.map((part) => {
          const uniques = uniquesOf(part, precision);
          return isReadBack.next().value === true ? Uniques.decode(uniques.encode(), precision) : uniques;
        });
        for (const order of [folded, [...folded].reverse()]) {
          const merged = new Uniques(precision);
          for (const part of order) merged.addAll(part);
          expect(merged.encode()).toBe(all.encode());
          expect(merged.count()).toBe(all.count());
        }
      }),
    );
  });
  test.each([
    [3, 4],
    [3, 300],
    [300, 3],
    [300, 400],
  ])('%i and %i leaves what was added as it is', (mine, theirs) => {
    const other = uniquesOf(visitorsOf(theirs, 2), COARSE);
    const text = other.encode();
    const uniques = uniquesOf(visitorsOf(mine), COARSE);
    uniques.addAll(other);
    uniques.add(hashOf('one more'));
    expect(other.encode()).toBe(text);
  });
});

test('nothing is empty, and one is not', () => {
  expect(new Uniques(COARSE).isEmpty).toBe(true);
  expect(uniquesOf(['a'], COARSE).isEmpty).toBe(false);
  expect(uniquesOf(visitorsOf(1_000), COARSE).isEmpty).toBe(false);
});

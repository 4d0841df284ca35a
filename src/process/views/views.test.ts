import { describe, expect, test } from 'vitest';
import { eventWith, factsWith } from '../../../tests/events.ts';
import { LIMITS } from '../../core/limits.ts';
import { countsCodec, countValue, mergeCounts, OTHER } from './counts.ts';
import { pageOf } from './pageviews-by-page.ts';
import { addVisitor, estimateVisitors, VISITORS_STANDARD_ERROR, visitors } from './visitors.ts';

describe('counts', () => {
  test('a row counts rowValuesMax values by name and the rest under (other); the total stays exact', () => {
    let state = countsCodec.empty();
    for (let value = 0; value < LIMITS.rowValuesMax + 50; value += 1) state = countValue(state, `/p/${value}`);
    state = countValue(state, '/p/0');
    expect(state.values.size).toBe(LIMITS.rowValuesMax + 1);
    expect(state.values.get('/p/0')).toBe(2);
    expect(state.values.get(OTHER)).toBe(50);
    expect(state.total).toBe(LIMITS.rowValuesMax + 51);
  });
  test('a merge never caps', () => {
    const half = (from: number) =>
      Array.from({ length: LIMITS.rowValuesMax }, (_, index) => `/p/${from + index}`).reduce(
        countValue,
        countsCodec.empty(),
      );
    expect(mergeCounts(half(0), half(10_000)).values.size).toBe(2 * LIMITS.rowValuesMax);
  });
  test('a long value is cut', () => {
    const [key] = countValue(countsCodec.empty(), 'x'.repeat(10_000)).values.keys();
    expect(key?.length).toBe(LIMITS.rowKeyCharsMax);
  });
});

test.each([
  [{ path: '/a' }, {}, '/a'],
  [{ url: 'https://shop.test/b/c?d=1#e' }, {}, '/b/c'],
  [{ url: 'https://shop.test' }, {}, '/'],
  [{}, { page: { path: '/p' } }, '/p'],
  [{}, { page: { url: 'http://shop.test/q' } }, '/q'],
  [{ path: '' }, {}, '(none)'],
  [{ path: 7 }, { page: null }, '(none)'],
])('the page of %j in context %j is %s', (properties, context, page) => {
  expect(pageOf({ properties, context })).toBe(page);
});

describe('the sketch of visitors', () => {
  const sketch = (count: number, seed: number) => {
    const state = visitors.empty();
    for (let visitor = 0; visitor < count; visitor += 1) addVisitor(state, `shop\0${seed}-${visitor}`);
    return estimateVisitors(state);
  };
  test.each([0, 1, 2, 10, 100])('counts %i visitors exactly or next to it', (count) => {
    expect(Math.abs(sketch(count, 1) - count)).toBeLessThanOrEqual(count / 100 + 0.5);
  });
  test.each([1_000, 10_000, 20_000, 100_000])('its error over %i visitors is the stated one', (count) => {
    const trials = 40;
    let squares = 0;
    let sum = 0;
    for (let seed = 0; seed < trials; seed += 1) {
      const error = (sketch(count, seed) - count) / count;
      squares += error * error;
      sum += error;
    }
    // The root mean square over 40 trials strays by about 1 / sqrt(80), and 1.35 is three times that.
    expect(Math.sqrt(squares / trials)).toBeLessThan(VISITORS_STANDARD_ERROR * 1.35);
    expect(Math.abs(sum / trials)).toBeLessThan((3 * VISITORS_STANDARD_ERROR) / Math.sqrt(trials));
  });
  test('a visitor counts once, however often and in whatever bucket it comes', () => {
    const event = eventWith();
    const state = visitors.fold(visitors.fold(visitors.empty(), event, factsWith()), event, factsWith());
    expect(estimateVisitors(visitors.merge(state, state))).toBe(1);
  });
  test('a full sketch takes the dense text and comes back', () => {
    const state = visitors.empty();
    for (let visitor = 0; visitor < 50_000; visitor += 1) addVisitor(state, `v${visitor}`);
    const text = visitors.encode(state);
    expect(text.startsWith('d')).toBe(true);
    expect(visitors.decode(text)).toEqual(state);
  });
});

import { describe, expect, test } from 'vitest';
import type { Live, StoredEvent } from '../answers.ts';
import { fits, flowed, perMinute, ROWS_MAX, rateOf, type Sample, type Stream, sampled } from './stream.ts';

const eventOf = (index: number, more: Partial<StoredEvent> = {}): StoredEvent => ({
  ...{ eventId: `e${index}`, source: 'shop', eventType: 'page', visitor: 'ada' },
  ...{ createdAt: '', receivedAt: '', timestamp: '', properties: {}, context: {}, traits: {} },
  facts: { session: 1, sessionStart: '', first: true, newVisitor: true, late: false, enriched: {} },
  position: { lane: 'local', sequence: '1', index },
  ...more,
});
const liveOf = (stored: number, indexes: readonly number[] = [], time = '2026-11-26T10:00:00.000Z'): Live => ({
  time,
  totals: { stored, events: stored, visitors: 1, bad: 0 },
  visitorsNow: 1,
  minutes: [],
  newest: indexes.map((index) => eventOf(index)),
});
const shown = ({ rows }: Stream) => rows.map(({ event, cameAt }) => [event.position.index, cameAt]);

describe('the stream', () => {
  test('has new ones on top once, and says which came while it was looked at', () => {
    const opened = flowed(undefined, liveOf(100, [3, 2, 1]), 10);
    expect(shown(opened)).toEqual([3, 2, 1].map((index) => [index, undefined]));
    const next = flowed(opened, liveOf(102, [5, 4, 3]), 20);
    expect(shown(next)).toEqual([
      [5, 20],
      [4, 20],
      [3, undefined],
      [2, undefined],
      [1, undefined],
    ]);
    expect(next.passed).toBe(0);
    expect(shown(flowed(next, liveOf(102, [5, 4, 3]), 30))).toEqual(shown(next));
  });
  test('tells how many came that the answer does not name', () => {
    const opened = flowed(undefined, liveOf(100, [1]), 0);
    expect(opened.passed).toBe(0);
    const next = flowed(opened, liveOf(150, [3, 2]), 1);
    expect(next.passed).toBe(48);
    expect(flowed(next, liveOf(160, [4]), 2).passed).toBe(57);
    // A store that was restored from before.
    expect(flowed(opened, liveOf(50, [3]), 1).passed).toBe(0);
  });
  test('has a limit', () => {
    let stream: Stream | undefined;
    for (let index = 0; index < 300; index += 1) stream = flowed(stream, liveOf(index, [index]), index);
    expect(stream?.rows).toHaveLength(ROWS_MAX);
    expect(stream?.rows[0]?.event.position.index).toBe(299);
  });
});

test.each([
  [{ type: '', text: '' }, true],
  [{ type: 'Paid', text: '' }, true],
  [{ type: 'paid', text: '' }, false],
  [{ type: '', text: ' VERmilion ' }, true],
  [{ type: '', text: 'grace' }, true],
  [{ type: '', text: '/a"b' }, true],
  [{ type: 'page', text: 'vermilion' }, false],
  [{ type: '', text: 'ochre' }, false],
])('%j fits an event: %s', (filter, expected) => {
  const event = eventOf(1, { eventType: 'Paid', userId: 'grace', properties: { path: '/a"b', colour: 'Vermilion' } });
  expect(fits(event, filter)).toBe(expected);
});

describe('rates', () => {
  const at = (second: number, stored: number) =>
    liveOf(stored, [], `2026-11-26T10:00:${String(second).padStart(2, '0')}.000Z`);
  const after = (...lives: readonly Live[]) => lives.reduce<readonly Sample[]>(sampled, []);
  test('a second: over the last few answers', () => {
    expect(rateOf([])).toBeUndefined();
    expect(rateOf(after(at(1, 10)))).toBeUndefined();
    expect(rateOf(after(at(1, 10), at(2, 12), at(3, 20)))).toBe(5);
    expect(after(...Array.from({ length: 20 }, (_, second) => at(second, second)))).toHaveLength(6);
  });
  test('none where it began anew, or nobody looked for a while', () => {
    expect(rateOf(after(at(1, 10), at(2, 5)))).toBeUndefined();
    expect(rateOf(after(at(1, 10), liveOf(500, [], '2026-11-26T10:01:02.000Z')))).toBeUndefined();
    expect(rateOf(after(at(1, 10), at(1, 12)))).toBeUndefined();
  });
  test('a minute: the running one, and what is missing of it from the one before', () => {
    const minutes = [
      { time: '2026-11-26T09:59:00.000Z', value: 60 },
      { time: '2026-11-26T10:00:00.000Z', value: 10 },
    ];
    expect(perMinute({ time: '2026-11-26T10:00:15.000Z', minutes })).toBe(55);
    expect(perMinute({ time: '2026-11-26T10:00:00.000Z', minutes })).toBe(70);
    expect(perMinute({ time: '2026-11-26T10:00:00.000Z', minutes: [] })).toBe(0);
  });
});

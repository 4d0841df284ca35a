import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  BROWSER_BATCH_CHARS_MAX,
  BROWSER_QUEUE_CHARS_MAX,
  KEEPALIVE_CHARS_MAX,
  NODE_BATCH_CHARS_MAX,
} from './limits.ts';
import { bodyOf, dropOldest, encodeQueue, orphans, takeBatch } from './queue.ts';

describe('a queue that is too long', () => {
  test('loses its oldest events, and says how many', () => {
    const queue = ['aaaa', 'bbbb', 'cc', 'dddd', 'e'];
    expect(dropOldest(queue, 10)).toBe(2);
    expect(queue).toEqual(['cc', 'dddd', 'e']);
  });
  test('loses an event that is too long by itself', () => {
    const queue = ['a', 'bbbbbbbbbbb'];
    expect(dropOldest(queue, 10)).toBe(2);
    expect(queue).toEqual([]);
  });
  test('and one within its bounds loses none', () => {
    const queue = ['aaaa', 'bbbbbb'];
    expect(dropOldest(queue, 10)).toBe(0);
    expect(queue).toEqual(['aaaa', 'bbbbbb']);
    expect(dropOldest([], 10)).toBe(0);
  });
});

describe('batches', () => {
  test('hold all events once and in order, each within the bounds', () => {
    const queue = ['aaaa', 'bbbbbb', 'c', 'd', 'gggggggggggggg', 'h'];
    const batches: string[][] = [];
    while (queue.length > 0) batches.push(takeBatch(queue, 10));
    expect(batches).toEqual([['aaaa', 'bbbbbb'], ['c', 'd'], ['gggggggggggggg'], ['h']]);
  });
  test('of nothing are nothing', () => {
    expect(takeBatch([], 10)).toEqual([]);
  });
  test('fit what a browser sends on when its page is left, and what the server takes, were every character three bytes', () => {
    expect(KEEPALIVE_CHARS_MAX * 3).toBeLessThan(64 * 1024);
    expect(NODE_BATCH_CHARS_MAX * 3).toBeLessThan(1_000_000);
    expect(BROWSER_BATCH_CHARS_MAX).toBeLessThan(BROWSER_QUEUE_CHARS_MAX);
    // The smallest event there is, with an id of the Node tracker.
    const smallest = JSON.stringify({ messageId: randomUUID(), timestamp: new Date(), type: 'page', context: {} });
    expect(NODE_BATCH_CHARS_MAX / smallest.length).toBeLessThan(2_000);
    expect(
      bodyOf(
        Array.from({ length: 99 }, () => 'x'.repeat(201)),
        'x'.repeat(100),
      ).length,
    ).toBeLessThan(KEEPALIVE_CHARS_MAX);
  });
});

test('a body is what the server reads', () => {
  const body: unknown = JSON.parse(bodyOf(['{"type":"page"}', '{"type":"track","event":"a \\"b\\""}'], 'key "1"'));
  expect(body).toEqual({
    batch: [{ type: 'page' }, { type: 'track', event: 'a "b"' }],
    writeKey: 'key "1"',
    sentAt: expect.any(Number),
  });
  expect(JSON.parse(bodyOf(['{}'], undefined))).toMatchObject({ writeKey: '' });
});

describe('a stored queue', () => {
  const lines = ['{"event":"two\\nlines"}', '{"event":"b"}'];
  test('is its page’s until its lease ends, and then anybody’s, whole', () => {
    const stored = encodeQueue(lines, 1_000);
    expect(orphans(stored, 1_000)).toEqual([]);
    expect(orphans(stored, 1_001)).toEqual(lines);
    expect(orphans(encodeQueue(lines, 0), 1)).toEqual(lines);
  });
  test.each([null, '', 'nonsense', '{"a":1}\nb', '0'])('that is none (%j) holds nothing', (stored) => {
    expect(orphans(stored, 1_000)).toEqual([]);
  });
});

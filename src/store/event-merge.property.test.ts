import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type EventKey, type KeyStream, mergeDistantKeys, mergeKeys } from './event-merge.ts';

interface NumberedKey extends EventKey {
  readonly id: bigint;
  readonly time: number;
}

const aKey = fc.record({
  time: fc.integer({ min: 0, max: 20 }),
  lane: fc.constantFrom('a', 'b'),
  sequence: fc.bigInt({ min: 0n, max: 3n }),
  index: fc.integer({ min: 0, max: 50 }),
});
const aQuestion = fc.record({ order: fc.constantFrom('asc', 'desc'), limit: fc.integer({ min: 0, max: 60 }) });

/** The order of lists, as one text. */
function textOf({ time, lane, sequence, index }: Omit<NumberedKey, 'id'>): string {
  return [String(time).padStart(9, '0'), lane, sequence, String(index).padStart(9, '0')].join(' ');
}

/** A stream over sorted keys, which counts what is read of it. */
class ListedStream implements KeyStream<NumberedKey> {
  readonly first: number;
  eventsRead = 0;
  readonly #keys: readonly NumberedKey[];

  constructor(keys: readonly NumberedKey[], first: number) {
    this.#keys = keys;
    this.first = first;
  }

  read(after: NumberedKey | undefined, limit: number): readonly NumberedKey[] {
    const from = after === undefined ? 0 : this.#keys.indexOf(after) + 1;
    const keys = this.#keys.slice(from, from + limit);
    this.eventsRead += keys.length;
    return keys;
  }
}

function streamsOf(lists: readonly (readonly NumberedKey[])[], order: 'asc' | 'desc'): readonly ListedStream[] {
  return lists.flatMap((keys) => {
    const sorted = keys.toSorted((a, b) => (textOf(a) < textOf(b) ? -1 : 1));
    if (order === 'desc') sorted.reverse();
    return sorted[0] === undefined ? [] : [new ListedStream(sorted, sorted[0].time)];
  });
}

/** As if read from elsewhere; the first reading gives all that it had to look at, if that is more than was asked for. */
function distant(stream: ListedStream, look: number): KeyStream<NumberedKey, Promise<readonly NumberedKey[]>> {
  return {
    first: stream.first,
    read: async (after, limit) => stream.read(after, after === undefined ? Math.max(look, limit) : limit),
  };
}

test('the merged streams are the first of all their events sorted', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(aKey, { selector: textOf, maxLength: 80 }),
      aQuestion,
      async (keys, { order, limit }) => {
        const all = keys.map((key, place): NumberedKey => ({ ...key, id: BigInt(place) }));
        const lists = [0n, 1n, 2n, 3n].map((rest) => all.filter(({ id }) => (id * 7n) % 4n === rest));
        const sorted = all.toSorted((a, b) => (textOf(a) < textOf(b) ? -1 : 1));
        if (order === 'desc') sorted.reverse();
        expect(mergeKeys(streamsOf(lists, order), { order, limit })).toEqual(sorted.slice(0, limit));
        const streams = streamsOf(lists, order).map((stream, place) => distant(stream, place * 3));
        expect(await mergeDistantKeys(streams, { order, limit })).toEqual(sorted.slice(0, limit));
      },
    ),
  );
});

test('the newest 100 of 1,000 streams of 1,000 events each are found by reading a few hundred', () => {
  const keysOf = (stream: number) =>
    Array.from({ length: 1_000 }, (_, number): NumberedKey => {
      const place = number * 1_000 + ((stream * 7) % 1_000);
      return { id: BigInt(place), time: place, lane: 'a', sequence: BigInt(place), index: 0 };
    });
  const streams = streamsOf(
    Array.from({ length: 1_000 }, (_, stream) => keysOf(stream)),
    'desc',
  );
  const merged = mergeKeys(streams, { order: 'desc', limit: 100 });
  expect(merged.map(({ time }) => time)).toEqual(Array.from({ length: 100 }, (_, place) => 999_999 - place));
  expect(streams.reduce((sum, { eventsRead }) => sum + eventsRead, 0)).toBeLessThanOrEqual(2 * (100 + 1));
});

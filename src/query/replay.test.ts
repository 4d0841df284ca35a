import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { eventWith, recordOf, recordOfLines } from '../../tests/events.ts';
import { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { DecodedRecord } from '../log/record.ts';
import { createReplay } from './replay.ts';

const recordAt = (index: number, properties = {}) =>
  Buffer.from(recordOf([eventWith({ eventId: `${index}`, properties }), eventWith({ eventId: `${index}b` })]));
const archiveOf = (records: readonly Uint8Array[]) =>
  Buffer.concat(records.flatMap((data) => [data, Buffer.from('\n')]));
const idOf = ({ lines }: DecodedRecord) => (JSON.parse(lines[0] ?? '') as { readonly eventId: string }).eventId;
const many = (count: number) => Array.from({ length: count }, (_, index) => recordAt(index));

/** Of a log that may refuse an append. */
function setUp(refuse: (ids: readonly string[]) => ClickstreamError | undefined = () => undefined) {
  const appended: string[][] = [];
  let now = 0;
  const passes = { ms: 0 };
  const replay = createReplay({
    append: async (records) => {
      now += passes.ms;
      const ids = records.map(idOf);
      const error = refuse(ids);
      if (error !== undefined) throw error;
      appended.push(ids);
    },
    clock: () => now,
  });
  return { appended, replay, passes };
}

test('records are appended in their order, so many at a time', async () => {
  const { appended, replay } = setUp();
  const ids = many(250).map((_, index) => `${index}`);
  const answer = await replay(gzipSync(archiveOf(many(250))));
  expect(answer).toEqual({ records: 250, events: 500, refused: [] });
  expect(appended.flat()).toEqual(ids);
  expect(Math.max(...appended.map(({ length }) => length))).toBe(LIMITS.replayAppendRecordsMax);
});

test('an erasure is not put back: it would take what came since', async () => {
  const { appended, replay } = setUp();
  const erasure = Buffer.from(recordOfLines([], { kind: 'erase' }));
  const answer = await replay(archiveOf([recordAt(0), erasure, recordAt(1)]));
  expect(answer).toEqual({ records: 2, events: 4, refused: [] });
  expect(appended.flat()).toEqual(['0', '1']);
});

test('what is no record is refused with its place, and the others are appended', async () => {
  const { appended, replay } = setUp();
  const timeless = Buffer.from(recordOf([eventWith({ eventId: '3' })], { receivedAt: 'now' }));
  const [first, second] = [recordAt(0), recordAt(4)];
  const answer = await replay(archiveOf([first, Buffer.from('rubbish'), timeless, second]));
  expect(answer).toEqual({
    ...{ records: 2, events: 4 },
    refused: [
      { place: 2, code: 'record_unreadable', detail: `at byte ${first.length + 1}: no header` },
      { place: 3, code: 'record_unreadable', detail: `at byte ${first.length + 9}: the header has no time of arrival` },
    ],
  });
  expect(appended.flat()).toEqual(['0', '4']);
});

test('a record that the log does not take for what it is does not hold up the others', async () => {
  const { appended, replay } = setUp((ids) => (ids.includes('1') ? new ClickstreamError('body_too_large') : undefined));
  const { refused, ...counts } = await replay(archiveOf(many(3)));
  expect(counts).toEqual({ records: 2, events: 4 });
  expect(refused).toMatchObject([{ place: 2, code: 'body_too_large' }]);
  expect(appended.flat()).toEqual(['0', '2']);
});

test('when the log fails midway, the answer says from where on nothing was appended', async () => {
  const { appended, replay } = setUp((ids) => (ids.includes('150') ? new ClickstreamError('overloaded') : undefined));
  const { refused, ...counts } = await replay(archiveOf([...many(250), Buffer.from('rubbish')]));
  expect(counts).toEqual({ records: 150, events: 300 });
  expect(refused).toMatchObject([{ place: 151, code: 'overloaded' }]);
  expect(appended.flat()).toHaveLength(150);
});

test('when it takes too long, the rest is left', async () => {
  const { replay, passes } = setUp();
  passes.ms = LIMITS.replayMsMax / 2 + 1;
  const { refused, records } = await replay(archiveOf(many(350)));
  expect(records).toBe(2 * LIMITS.replayAppendRecordsMax);
  expect(refused).toMatchObject([{ place: 2 * LIMITS.replayAppendRecordsMax + 1, code: 'overloaded' }]);
});

test.each([['log_unavailable' as const], ['internal' as const]])(
  'when nothing is appended, %s is the answer',
  async (code) => {
    const { replay } = setUp(() => new ClickstreamError(code));
    await expect(replay(archiveOf(many(3)))).rejects.toMatchObject({ code });
  },
);

test('a body that is too large once it is decompressed is refused whole', async () => {
  const { appended, replay } = setUp();
  const large = [recordAt(0), ...Array.from({ length: 5 }, (_, index) => recordAt(index, { x: 'x'.repeat(900_000) }))];
  await expect(replay(gzipSync(archiveOf(large)))).rejects.toMatchObject({ code: 'body_too_large' });
  expect(appended).toEqual([]);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeStream, FakeTime, type Fate } from '../../../tests/emulators/fake-stream.ts';
import { seededRandom } from '../../../tests/random.ts';
import { ClickstreamError } from '../../core/errors.ts';
import type { LogRecord, RecordPosition } from '../../log/event-log.ts';
import { KinesisEventLog } from './kinesis-event-log.ts';

const KEYS = ['ann', 'ben', 'cid', 'dora', 'eve'];
const STEPS = 80;

interface Appended {
  readonly records: readonly LogRecord[];
  outcome?: readonly RecordPosition[] | ClickstreamError;
}

/**
 * Appends, answers and waits in any order: answers that refuse a part, calls that fail with or without having been taken,
 * calls that are answered out of order.
 */
test('what is acknowledged is stored, and each key is in order, whatever fails', async () => {
  const became = { resolved: 0, rejected: 0, sentAgain: 0 };
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const { appends, stream } = await history(seed);
      for (const { records, outcome } of appends) {
        if (outcome === undefined) throw new Error('an append never settled');
        if (outcome instanceof ClickstreamError) {
          became.rejected += 1;
          expect(outcome.retriable).toBe(true);
        } else {
          became.resolved += 1;
          expect(outcome.map((position) => dataAt(stream, position))).toEqual(records.map(({ data }) => data));
        }
      }
      became.sentAgain += stream.calls.flat().length - new Set(stream.calls.flat().map(({ data }) => data)).size;
      expect(stream.problems).toEqual([]);
      for (const records of stream.calls) expect(records.length).toBeLessThanOrEqual(4);
      for (const key of KEYS) expectInOrder(key, { appends, stream });
    }),
    { numRuns: 300 },
  );
  // A property over histories in which nothing happens would hold for any log.
  for (const count of Object.values(became)) expect(count).toBeGreaterThan(300);
});

async function history(seed: number): Promise<{ readonly appends: readonly Appended[]; readonly stream: FakeStream }> {
  const random = seededRandom(seed);
  const stream = new FakeStream(random);
  const time = new FakeTime();
  const limits = { kinesisCallsMax: 3, kinesisCallRecordsMax: 4, kinesisWaitingRecordsMax: 30, kinesisTriesMax: 6 };
  const log = new KinesisEventLog({ client: stream, stream: 'events', ...time, random, limits });
  const appends: Appended[] = [];
  const trouble = random() * 0.8;
  let number = 0;
  const begin = () => {
    const records = Array.from({ length: 1 + Math.floor(random() * 4) }, () => {
      number += 1;
      return { partitionKey: oneOf(KEYS, random), data: String(number) };
    });
    const append: Appended = { records };
    appends.push(append);
    log.append(records).then(
      (positions) => {
        append.outcome = positions;
      },
      (error) => {
        append.outcome = error;
      },
    );
  };
  const settle = () => {
    const call = oneOf(stream.pending, random);
    if (random() >= trouble) call.answer();
    else if (random() < 0.6)
      call.answer(() => (random() < trouble ? oneOf<Fate>(['throttled', 'failed'], random) : 'taken'));
    else call.fail(oneOf(FAILURES, random)(), () => random() < 0.5);
  };
  for (let step = 0; step < STEPS || stream.pending.length > 0 || time.hasSleepers; step += 1) {
    const choice = random();
    if (step < STEPS && choice < 0.4) begin();
    else if (stream.pending.length > 0 && choice < 0.8) settle();
    else if (time.hasSleepers) time.wakeNext();
    // Now and then several things happen before anybody can react.
    if (random() < 0.8 || step >= STEPS - 1) await new Promise((resolve) => setImmediate(resolve));
  }
  await expectRoom({ log, stream, records: limits.kinesisWaitingRecordsMax });
  return { appends, stream };
}

/** Nothing is left of what was settled. */
async function expectRoom({
  log,
  stream,
  records,
}: {
  readonly log: KinesisEventLog;
  readonly stream: FakeStream;
  readonly records: number;
}): Promise<void> {
  const keys = Array.from({ length: records }, (_, index) => `key ${index}`);
  let isSettled = false;
  const full = log.append(keys.map((key) => ({ partitionKey: key, data: key }))).finally(() => {
    isSettled = true;
  });
  full.catch(() => undefined);
  while (!isSettled) {
    await new Promise((resolve) => setImmediate(resolve));
    stream.pending[0]?.answer();
  }
  expect(await full).toHaveLength(records);
}

const FAILURES: readonly (() => Error)[] = [
  () => Object.assign(new Error('made by the test'), { name: 'TimeoutError' }),
  () => Object.assign(new Error('made by the test'), { $metadata: { httpStatusCode: 503 } }),
  () =>
    Object.assign(new Error('made by the test'), { name: 'ThrottlingException', $metadata: { httpStatusCode: 400 } }),
  () =>
    Object.assign(new Error('made by the test'), { name: 'AccessDeniedException', $metadata: { httpStatusCode: 400 } }),
];

/** Also those that were rejected, where they came out, and those that came out twice. */
function expectInOrder(
  key: string,
  { appends, stream }: { readonly appends: readonly Appended[]; readonly stream: FakeStream },
): void {
  const stored = [...stream.shards.values()].flat().filter((record) => record.key === key);
  const numbers = stored.map(({ data }) => Number(data));
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  const acknowledged = appends.flatMap(({ records, outcome }) =>
    records.flatMap(({ partitionKey }, index) => {
      if (outcome === undefined || outcome instanceof ClickstreamError || partitionKey !== key) return [];
      return outcome[index]?.sequence ?? [];
    }),
  );
  expect(acknowledged).toEqual(acknowledged.toSorted((a, b) => (a < b ? -1 : 1)));
}

function dataAt(stream: FakeStream, { lane, sequence }: RecordPosition): string | undefined {
  return stream.shards.get(lane)?.find((record) => record.sequence === sequence)?.data;
}

function oneOf<Value>(values: readonly Value[], random: () => number): Value {
  return values[Math.floor(random() * values.length)] as Value;
}

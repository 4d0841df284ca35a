import type { PutRecordsCommand } from '@aws-sdk/client-kinesis';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FakeStream, FakeTime } from '../../../tests/emulators/fake-stream.ts';
import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import type { LogRecord, RecordPosition } from '../../log/event-log.ts';
import type { KinesisLimits } from './kinesis-client.ts';
import { KinesisEventLog } from './kinesis-event-log.ts';

const SECOND = 1_000;

describe('an append', () => {
  test('resolves when all is acknowledged, with positions in the order given', async () => {
    // Later records get the smaller sequences: each is stored before those that stand before it in the call.
    const ranks = [1, 2, 3];
    const { log, stream } = openLog({ random: () => ranks.pop() ?? 0 });
    const append = watch(log.append([record('a', 'x'), record('b', 'y'), record('c', 'z')]));
    await turn();
    expect(append.state).toBe('pending');
    stream.pending[0]?.answer();
    const positions = await append.positions;
    expect(positions.map((position) => dataAt(stream, position))).toEqual(['x', 'y', 'z']);
    expect(positions.map(({ sequence }) => sequence)).toEqual(
      positions.map(({ sequence }) => sequence).sort((a, b) => (a < b ? 1 : -1)),
    );
  });

  test('does not resolve while one of its records is not acknowledged', async () => {
    const { log, stream, time } = openLog();
    const append = watch(log.append([record('a', 'x'), record('b', 'y')]));
    await turn();
    stream.pending[0]?.answer(({ data }) => (data === 'x' ? 'taken' : 'throttled'));
    await turn();
    expect(append.state).toBe('pending');
    time.wakeNext();
    await turn();
    stream.pending[0]?.answer();
    expect(await append.positions).toHaveLength(2);
  });

  test('of several records of a key sends one after the other', async () => {
    const { log, stream } = openLog();
    const append = watch(log.append([record('a', '1'), record('a', '2'), record('b', '3'), record('a', '4')]));
    await answerAll(stream);
    await append.positions;
    expect(sent(stream)).toEqual([['1', '3'], ['2'], ['4']]);
    expect(stream.problems).toEqual([]);
  });

  test('waits for another of the same key, and not for others', async () => {
    const { log, stream } = openLog();
    const appends = [record('a', '1'), record('a', '2'), record('b', '3')].map(async (one) => {
      const append = log.append([one]);
      await turn();
      return append;
    });
    await turn();
    expect(sent(stream)).toEqual([['1', '3']]);
    await answerAll(stream);
    await Promise.all(appends);
    expect(sent(stream)).toEqual([['1', '3'], ['2']]);
  });

  test.each([
    ['longer than Kinesis takes', 'k'.repeat(257), 64],
    ['as long as Kinesis takes', 'k'.repeat(256), 256],
    ['empty', '', 64],
  ])('takes a key that is %s', async (_what, key, chars) => {
    const { log, stream } = openLog();
    const append = log.append([record(key, '1'), record(`${key}+`, '2')]);
    await turn();
    const [first, second] = (stream.calls[0] ?? []).map((one) => one.key);
    expect(first).toHaveLength(chars);
    expect(first).not.toBe(second);
    stream.pending[0]?.answer();
    await append;
  });
});

describe('calls', () => {
  test('hold as many records as Kinesis takes', async () => {
    const { log, stream } = openLog();
    const append = log.append(Array.from({ length: 501 }, (_, number) => record(`key ${number}`, `${number}`)));
    await answerAll(stream);
    await append;
    expect(stream.calls.map((records) => records.length)).toEqual([500, 1]);
  });

  test('hold as many bytes as Kinesis takes', async () => {
    const { log, stream } = openLog();
    const data = 'é'.repeat(450_000);
    const append = log.append(Array.from({ length: 6 }, (_, number) => record(`key ${number}`, data)));
    await answerAll(stream);
    await append;
    expect(stream.calls.map((records) => records.length)).toEqual([5, 1]);
  });

  test('stay within the quotas, whatever is appended', async () => {
    const limits = { kinesisCallRecordsMax: 5, kinesisCallBytesMax: 60, kinesisRecordBytesMax: 50, kinesisCallsMax: 3 };
    const one = fc.record({ partitionKey: fc.constantFrom('a', 'b', 'cc', 'dé', 'e', 'f'), length: fc.nat(40) });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(one, { maxLength: 12 }), { maxLength: 8 }), async (appends) => {
        const { log, stream } = openLog({ limits });
        const appended = appends.map((records, append) =>
          records.map((one, index) => record(one.partitionKey, `${append} ${index}`.padEnd(one.length, '.'))),
        );
        const results = appended.map((records) => log.append(records));
        await turn();
        while (stream.pending.length > 0) {
          expect(stream.pending.length).toBeLessThanOrEqual(3);
          stream.pending[0]?.answer();
          await turn();
        }
        await Promise.all(results);
        for (const records of stream.calls) {
          expect(records.length).toBeLessThanOrEqual(5);
          expect(sum(records.map(({ bytes }) => bytes))).toBeLessThanOrEqual(60);
        }
        const all = appended.flat().map(({ data }) => data);
        expect(sent(stream).flat().sort()).toEqual(all.sort());
        expect(stream.problems).toEqual([]);
      }),
    );
  });

  test('share what arrives while all are in flight', async () => {
    const { log, stream } = openLog({ limits: { kinesisCallsMax: 2 } });
    const appends: Promise<unknown>[] = [];
    for (let number = 0; number < 5; number++) {
      appends.push(log.append([record(`${number}`, `${number}`)]));
      await turn();
    }
    expect(sent(stream)).toEqual([['0'], ['1']]);
    stream.pending[1]?.answer();
    await turn();
    expect(sent(stream)).toEqual([['0'], ['1'], ['2', '3', '4']]);
    await answerAll(stream);
    await Promise.all(appends);
  });
});

describe('a refused record', () => {
  test('is sent again alone, after a wait with jitter', async () => {
    const { log, stream, time } = openLog({ random: () => 0.5 });
    const append = log.append(['a', 'b', 'c', 'd'].map((key) => record(key, key)));
    await turn();
    stream.pending[0]?.answer(({ key }) => (key === 'b' ? 'throttled' : key === 'd' ? 'failed' : 'taken'));
    await turn();
    time.wakeNext();
    await turn();
    stream.pending[0]?.answer(({ key }) => (key === 'b' ? 'failed' : 'taken'));
    await turn();
    time.wakeNext();
    await turn();
    stream.pending[0]?.answer();
    await append;
    expect(sent(stream)).toEqual([['a', 'b', 'c', 'd'], ['b', 'd'], ['b']]);
    expect(time.sleeps).toEqual([LIMITS.kinesisBackoffMsMin / 2, LIMITS.kinesisBackoffMsMin]);
  });

  test('keeps those behind it waiting, and nobody else', async () => {
    const { log, stream, time } = openLog();
    const first = log.append([record('a', '1')]);
    await turn();
    stream.pending[0]?.answer(() => 'throttled');
    await turn();
    const others = [log.append([record('a', '2')]), log.append([record('b', '3')])];
    await turn();
    expect(sent(stream)).toEqual([['1'], ['3']]);
    time.wakeNext();
    await answerAll(stream);
    await Promise.all([first, ...others]);
    expect(sent(stream)).toEqual([['1'], ['3'], ['1'], ['2']]);
  });

  test('without an answer of its own is sent again', async () => {
    const stream = new FakeStream();
    const time = new FakeTime();
    const client = {
      answers: [{ Records: [], $metadata: {} }],
      async send(command: PutRecordsCommand) {
        return this.answers.pop() ?? stream.send(command);
      },
    };
    const log = new KinesisEventLog({ client, stream: 'events', clock: time.clock, sleep: time.sleep });
    const append = log.append([record('a', '1')]);
    await turn();
    time.wakeNext();
    await answerAll(stream);
    expect(await append).toHaveLength(1);
  });

  test.each([
    ['throttled', 'overloaded', 'ProvisionedThroughputExceededException'],
    ['failed', 'log_unavailable', 'InternalFailure'],
  ] as const)('that is always %s is given up at the deadline, as %s', async (fate, code, name) => {
    const { log, stream, time } = openLog({ random: () => 0.9 });
    const append = watch(log.append([record('a', '1'), record('b', '2')]));
    await turn();
    await untilSettled(append, {
      stream,
      time,
      answer: (call) => call.answer(({ key }) => (key === 'a' ? 'taken' : fate)),
    });
    const error = await append.error;
    expect(error).toMatchObject({ code, retriable: true, status: 503 });
    expect(error.message).toContain(name);
    expect(error.cause).toMatchObject({ ErrorCode: name });
    expect(time.nowMs).toBeLessThanOrEqual(LIMITS.kinesisDeadlineMsMax);
    expect(time.nowMs).toBeGreaterThan(LIMITS.kinesisDeadlineMsMax - LIMITS.kinesisBackoffMsMax);
  });

  test('whose turn comes too late is given up with what refused it', async () => {
    const { log, stream, time } = openLog();
    const append = watch(log.append([record('a', '1')]));
    await turn();
    stream.pending[0]?.answer(() => 'failed');
    await turn();
    time.nowMs += LIMITS.kinesisDeadlineMsMax + 1;
    time.wakeNext();
    expect(await append.error).toMatchObject({ code: 'log_unavailable', cause: { ErrorCode: 'InternalFailure' } });
    expect(stream.calls).toHaveLength(1);
  });

  test('is given up after so many tries, however short the waits are', async () => {
    const { log, stream, time } = openLog({ random: () => 0 });
    const append = watch(log.append([record('a', '1')]));
    await turn();
    await untilSettled(append, { stream, time, answer: (call) => call.answer(() => 'throttled') });
    expect(await append.error).toMatchObject({ code: 'overloaded' });
    expect(stream.calls).toHaveLength(LIMITS.kinesisTriesMax);
  });
});

describe('a whole call that fails', () => {
  test.each([
    ['a throttle', awsError('ProvisionedThroughputExceededException', 400), 'overloaded'],
    ['a throttle of the key', awsError('KMSThrottlingException', 400), 'overloaded'],
    ['too many requests', awsError('Unknown', 429), 'overloaded'],
    ['a fault of the service', awsError('InternalFailureException', 500), 'log_unavailable'],
    ['an unavailable service', awsError('ServiceUnavailable', 503), 'log_unavailable'],
    ['an answer that cannot be read', awsError('SyntaxError', 200), 'log_unavailable'],
    ['no answer in time', Object.assign(new Error('late'), { name: 'TimeoutError' }), 'log_unavailable'],
    ['a reset connection', Object.assign(new Error('reset'), { code: 'ECONNRESET' }), 'log_unavailable'],
  ] as const)('by %s is tried again until the deadline', async (_what, cause, code) => {
    const { log, stream, time } = openLog({ random: () => 0.9 });
    const given = watch(log.append([record('a', '1'), record('b', '2')]));
    await turn();
    stream.pending[0]?.fail(cause);
    await turn();
    time.wakeNext();
    await answerAll(stream);
    expect(await given.positions).toHaveLength(2);

    const never = watch(log.append([record('a', '3')]));
    await turn();
    await untilSettled(never, { stream, time, answer: (call) => call.fail(cause) });
    expect(await never.error).toMatchObject({ code, cause, retriable: true });
    expect(time.nowMs).toBeGreaterThan(LIMITS.kinesisDeadlineMsMax - LIMITS.kinesisBackoffMsMax);
    expect(time.nowMs).toBeLessThanOrEqual(LIMITS.kinesisDeadlineMsMax + SECOND);
  });

  test.each([
    ['no right to put', awsError('AccessDeniedException', 400)],
    ['no such stream', awsError('ResourceNotFoundException', 400)],
    ['a key that may not be used', awsError('KMSAccessDeniedException', 400)],
    ['a request that is not signed right', awsError('InvalidSignatureException', 403)],
    ['no credentials', Object.assign(new Error('none found'), { name: 'CredentialsProviderError' })],
  ])('by %s rejects at once, and the log goes on', async (_what, cause) => {
    const { log, stream, time } = openLog();
    const append = watch(log.append([record('a', '1')]));
    const behind = watch(log.append([record('a', '2')]));
    await turn();
    stream.pending[0]?.fail(cause);
    expect(await append.error).toMatchObject({ code: 'log_unavailable', retriable: true, cause });
    expect(time.hasSleepers).toBe(false);
    await answerAll(stream);
    expect(await behind.positions).toHaveLength(1);
    expect(sent(stream)).toEqual([['1'], ['2']]);
  });
});

describe('after a rejection', () => {
  test('a record of the same key waits while one is in flight', async () => {
    const { log, stream } = openLog({ limits: { kinesisCallRecordsMax: 1 } });
    const append = watch(log.append([record('a', '1'), record('b', '2')]));
    await turn();
    stream.pending[1]?.fail(awsError('AccessDeniedException', 400));
    await append.error;
    const later = watch(log.append([record('a', '3'), record('b', '4')]));
    await turn();
    expect(sent(stream)).toEqual([['1'], ['2'], ['4']]);
    await answerAll(stream);
    await later.positions;
    expect(stream.problems).toEqual([]);
    expect(stored(stream, 'a')).toEqual(['1', '3']);
  });

  test('what is left of the append is not sent', async () => {
    const { log, stream } = openLog();
    const append = watch(log.append([record('a', '1'), record('a', '2')]));
    await turn();
    stream.pending[0]?.fail(awsError('AccessDeniedException', 400));
    await append.error;
    await answerAll(stream);
    expect(sent(stream)).toEqual([['1']]);
  });
});

describe('limits', () => {
  test('a record of more than Kinesis takes, with its key, is refused, and nothing is sent', async () => {
    const { log, stream } = openLog();
    const fits = record('key', 'é'.repeat((1024 * 1024 - 4) / 2).concat('.'));
    const append = watch(log.append([record('other', 'x'), { ...fits, data: `${fits.data}.` }]));
    expect(await append.error).toMatchObject({ code: 'body_too_large', retriable: false });
    await turn();
    expect(stream.calls).toEqual([]);
    const exact = log.append([fits]);
    await answerAll(stream);
    expect(stream.calls[0]?.[0]?.bytes).toBe(1024 * 1024);
    expect(await exact).toHaveLength(1);
  });

  test('more than may wait is refused, and taken when there is room again', async () => {
    const limits = { kinesisWaitingRecordsMax: 3, waitingBytesMax: 20 };
    const { log, stream } = openLog({ limits });
    const appends = [log.append([record('a', '1'), record('a', '2')])];
    expect(await watch(log.append([record('b', '3'), record('c', '4')])).error).toMatchObject({ code: 'overloaded' });
    expect(await watch(log.append([record('b', 'x'.repeat(18))])).error).toMatchObject({ code: 'overloaded' });
    appends.push(log.append([record('b', '5')]));
    await answerAll(stream);
    await Promise.all(appends);
    const full = log.append(['a', 'b', 'c'].map((key) => record(key, '12345')));
    await answerAll(stream);
    expect(await full).toHaveLength(3);
  });

  test('what can never wait is too large', async () => {
    const { log } = openLog({ limits: { kinesisWaitingRecordsMax: 2, waitingBytesMax: 20 } });
    const many = log.append(['a', 'b', 'c'].map((key) => record(key, key)));
    expect(await watch(many).error).toMatchObject({ code: 'body_too_large' });
    expect(await watch(log.append([record('a', 'x'.repeat(20))])).error).toMatchObject({ code: 'body_too_large' });
  });

  test('a record whose turn comes too late is not sent', async () => {
    const { log, stream, time } = openLog();
    const first = log.append([record('a', '1')]);
    const behind = watch(log.append([record('a', '2')]));
    await turn();
    time.nowMs += LIMITS.kinesisDeadlineMsMax + 1;
    stream.pending[0]?.answer();
    await first;
    expect(await behind.error).toMatchObject({ code: 'overloaded' });
    await answerAll(stream);
    expect(sent(stream)).toEqual([['1']]);
  });

  test('agree with each other', () => {
    // The collector's function ends after 60 s, a tracker waits 10.
    const { kinesisDeadlineMsMax, kinesisRequestMsMax, kinesisConnectMsMax } = LIMITS;
    expect(kinesisDeadlineMsMax + kinesisRequestMsMax).toBeLessThan(10 * SECOND);
    expect(kinesisConnectMsMax).toBeLessThan(kinesisRequestMsMax);
    expect(LIMITS.kinesisBackoffMsMax).toBeLessThan(kinesisDeadlineMsMax);
    // A request that the collector takes can wait, and each of its records fits a call.
    expect(LIMITS.batchEventsMax).toBeLessThanOrEqual(LIMITS.kinesisWaitingRecordsMax);
    expect(LIMITS.recordBytesMax).toBeLessThan(LIMITS.kinesisRecordBytesMax);
    expect(LIMITS.kinesisRecordBytesMax).toBeLessThanOrEqual(LIMITS.kinesisCallBytesMax);
  });
});

function openLog({
  random = () => 0.5,
  limits,
}: {
  readonly random?: () => number;
  readonly limits?: Partial<KinesisLimits>;
} = {}) {
  const stream = new FakeStream(random);
  const time = new FakeTime();
  const { clock, sleep } = time;
  const log = new KinesisEventLog({ client: stream, stream: 'events', clock, sleep, random, limits });
  return { log, stream, time };
}

function record(partitionKey: string, data: string): LogRecord {
  return { partitionKey, data };
}

/** All that can happen without an answer or a wake-up has happened. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

interface Watched {
  state: 'pending' | 'resolved' | 'rejected';
  readonly positions: Promise<readonly RecordPosition[]>;
  readonly error: Promise<ClickstreamError>;
}

function watch(positions: Promise<readonly RecordPosition[]>): Watched {
  const error = positions.then(
    () => {
      watched.state = 'resolved';
      return Promise.reject(new Error('it should have been rejected'));
    },
    (thrown: unknown) => {
      watched.state = 'rejected';
      if (thrown instanceof ClickstreamError) return thrown;
      throw thrown;
    },
  );
  error.catch(() => undefined);
  const watched: Watched = { state: 'pending', positions, error };
  return watched;
}

async function answerAll(stream: FakeStream): Promise<void> {
  await turn();
  while (stream.pending.length > 0) {
    stream.pending[0]?.answer();
    await turn();
  }
}

async function untilSettled(
  append: Watched,
  {
    stream,
    time,
    answer,
  }: Pick<ReturnType<typeof openLog>, 'stream' | 'time'> & {
    readonly answer: (call: FakeStream['pending'][number]) => void;
  },
): Promise<void> {
  while (append.state === 'pending') {
    const [call] = stream.pending;
    if (call !== undefined) answer(call);
    else time.wakeNext();
    await turn();
  }
}

function sent(stream: FakeStream): readonly (readonly string[])[] {
  return stream.calls.map((records) => records.map(({ data }) => data));
}

function stored(stream: FakeStream, key: string): readonly string[] {
  return [...stream.shards.values()].flat().flatMap((one) => (one.key === key ? [one.data] : []));
}

function dataAt(stream: FakeStream, { lane, sequence }: RecordPosition): string | undefined {
  return stream.shards.get(lane)?.find((one) => one.sequence === sequence)?.data;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function awsError(name: string, httpStatusCode: number): Error {
  return Object.assign(new Error(`${name}, made by the test`), { name, $metadata: { httpStatusCode } });
}

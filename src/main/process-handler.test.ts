import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { MemoryEventStore } from '../../tests/contracts/memory-event-store.ts';
import { eventWith, recordOf } from '../../tests/events.ts';
import type { DeadLetter } from '../adapters/aws/dead-letters.ts';
import { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { VIEWS } from '../process/views/registry.ts';
import type { Decision, EventStore } from '../store/event-store.ts';
import { createProcessHandler, type ProcessEvent } from './process-handler.ts';

const LANE = 'shardId-000000000006';
const STREAM = 'arn:aws:kinesis:us-east-1:123456789012:stream/events';
const NOW = Date.parse('2026-11-25T08:00:00.000Z');

type Sent = ProcessEvent['Records'][number];

/** One record as Lambda gives it; it arrived long ago unless it is told otherwise. */
function sent(sequence: number, { data, ageMs = 60_000 }: { data?: Uint8Array; ageMs?: number } = {}): Sent {
  const event = eventWith({ eventId: `e${sequence}`, anonymousId: `a${sequence % 3}` });
  const bytes = data ?? recordOf([event], { number: sequence });
  return {
    eventID: `${LANE}:${sequence}`,
    eventSourceARN: STREAM,
    kinesis: {
      sequenceNumber: String(sequence),
      partitionKey: `default/a${sequence % 3}`,
      data: Buffer.from(bytes).toString('base64'),
      approximateArrivalTimestamp: (NOW - ageMs) / 1_000,
    },
  };
}

function batchOf(length: number): ProcessEvent {
  return { Records: Array.from({ length }, (_, index) => sent(index + 1)) };
}

function throttled(): Error {
  return Object.assign(new Error('planted'), { name: 'ThrottlingException', $metadata: { httpStatusCode: 400 } });
}

/** What the store does with a batch before it applies it: nothing, or throw, or never come back. */
type Behave = (decision: Decision) => unknown;

/** What Lambda does with a batch until nothing of it is left: halves one whose function failed, and sends again from what is named. */
async function untilDone(
  run: (event: ProcessEvent) => Promise<readonly string[]>,
  event: ProcessEvent,
  triesMax = 200,
): Promise<number> {
  const waiting = [event];
  let tries = 0;
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { Records } = next;
    tries += 1;
    if (tries > triesMax) throw new Error('it does not end');
    try {
      const [first] = await run(next);
      if (first !== undefined) waiting.unshift(fromSequence(next, first));
    } catch {
      const half = Math.ceil(Records.length / 2);
      const parts = Records.length === 1 ? [Records] : [Records.slice(0, half), Records.slice(half)];
      waiting.unshift(...parts.map((part) => ({ Records: part })));
    }
  }
  return tries;
}

function processor({ clock = () => NOW }: { readonly clock?: () => number } = {}) {
  const memory = new MemoryEventStore();
  const letters = new Map<string, DeadLetter>();
  const tries = new Map<bigint, number>();
  const faults: unknown[] = [];
  const parts = {
    behave: (() => undefined) as Behave,
    beforeLoad: () => undefined as unknown,
    letterFault: undefined as Error | undefined,
    stores: 0,
    begun: 0,
    msLeft: 60_000,
  };
  const newStore = (): EventStore => {
    parts.stores += 1;
    return {
      load: async (lane, keys) => {
        await parts.beforeLoad();
        return memory.load(lane, keys);
      },
      apply: async (decision) => {
        await parts.behave(decision);
        return memory.apply(decision);
      },
    } as EventStore;
  };
  const handler = createProcessHandler({
    newStore,
    views: VIEWS,
    attempts: {
      begin: async (_, sequence) => {
        parts.begun += 1;
        const count = (tries.get(sequence) ?? 0) + 1;
        tries.set(sequence, count);
        return count;
      },
      clear: async (_, sequence) => {
        tries.delete(sequence);
      },
    },
    deadLetters: {
      put: async (letter) => {
        if (parts.letterFault !== undefined) throw parts.letterFault;
        letters.set(String(letter.sequence), letter);
      },
    },
    clock,
    report: (_, fault) => faults.push(fault),
  });
  const handle = async (event: ProcessEvent, msLeft: () => number) => {
    const { batchItemFailures } = await handler(event, { getRemainingTimeInMillis: msLeft });
    return batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
  };
  const run = (event: ProcessEvent) => handle(event, () => parts.msLeft);
  const stored = () => memory.events.map((event) => event.identity.eventId).sort();
  const dead = () => memory.snapshot((reads) => reads.dead(100));
  return { run, handle, parts, memory, letters, tries, faults, stored, dead };
}

function fromSequence({ Records }: ProcessEvent, first: string | undefined): ProcessEvent {
  return { Records: Records.filter(({ kinesis }) => BigInt(kinesis.sequenceNumber) >= BigInt(first ?? -1)) };
}

function holds(decision: Decision, eventId: string): boolean {
  return decision.events.some(({ identity }) => identity.eventId === eventId);
}

afterEach(() => {
  vi.useRealTimers();
});

test('a batch is processed whole, and a repetition of it changes nothing', async () => {
  const { run, stored, faults, parts } = processor();
  expect(await run(batchOf(5))).toEqual([]);
  expect(await run(batchOf(5))).toEqual([]);
  expect(stored()).toEqual(['e1', 'e2', 'e3', 'e4', 'e5']);
  expect(faults).toEqual([]);
  expect(parts.begun).toBe(0);
});

test('a fault of the store sends all again, halved, however often, and sets nothing aside', async () => {
  const { run, parts, stored, letters, tries } = processor();
  parts.behave = () => {
    throw throttled();
  };
  for (let index = 0; index < 3 * LIMITS.recordTriesMax; index += 1) {
    await expect(run(batchOf(4))).rejects.toThrow('nothing of 4 records was done');
    expect(await run(batchOf(1))).toEqual(['1']);
  }
  expect(tries.size).toBe(0);
  parts.behave = () => undefined;
  expect(await run(batchOf(4))).toEqual([]);
  expect(stored()).toHaveLength(4);
  expect(letters.size).toBe(0);
});

test('a store that refuses every batch, also an empty one, sets nothing aside', async () => {
  const { run, parts, letters, tries } = processor();
  parts.beforeLoad = () => {
    throw new Error('planted');
  };
  for (let index = 0; index < 3 * LIMITS.recordTriesMax; index += 1) expect(await run(batchOf(1))).toEqual(['1']);
  expect(tries.size).toBe(0);
  expect(letters.size).toBe(0);
});

test('a store that a newer program has written waits for that program, and sets nothing aside', async () => {
  const { run, parts, memory, stored, letters, tries, faults } = processor();
  expect(await run(batchOf(1))).toEqual([]);
  const load = memory.load.bind(memory);
  memory.load = async (lane, keys) => {
    const loaded = await load(lane, keys);
    return { ...loaded, lane: loaded.lane && { ...loaded.lane, registry: { ...loaded.lane.registry, traffic: 99 } } };
  };
  for (let index = 0; index < 3 * LIMITS.recordTriesMax; index += 1) {
    expect(await run({ Records: [sent(2)] })).toEqual(['2']);
    await expect(run({ Records: [sent(2), sent(3)] })).rejects.toThrow('nothing of 2 records was done');
  }
  expect(faults.map((fault) => fault instanceof ClickstreamError && fault.code)).toContain('views_newer');
  expect([tries.size, letters.size, parts.stores]).toEqual([0, 0, 1]);
  memory.load = load;
  expect(await run({ Records: [sent(2), sent(3)] })).toEqual([]);
  expect(stored()).toEqual(['e1', 'e2', 'e3']);
});

test('a record that the store throws at is found among others, and set aside whole after its tries', async () => {
  const { run, parts, stored, letters, dead, tries } = processor();
  parts.behave = (decision) => {
    if (holds(decision, 'e3')) throw new TypeError('planted');
  };
  let batch = batchOf(7);
  for (let index = 0; index < LIMITS.recordTriesMax; index += 1) {
    expect(await run(batch)).toEqual(['3']);
    expect(stored()).toEqual(['e1', 'e2']);
    batch = fromSequence(batch, '3');
  }
  expect(await run(batch)).toEqual([]);
  expect(stored()).toEqual(['e1', 'e2', 'e4', 'e5', 'e6', 'e7']);
  const data = Buffer.from(sent(3).kinesis.data, 'base64');
  const letter = letters.get('3');
  expect(letter).toMatchObject({ lane: LANE, sequence: 3n, partitionKey: 'default/a0', streamArn: STREAM });
  expect(letter?.reason).toMatch(/5 tries/);
  expect(letter?.approximateArrival).toBe(NOW - 60_000);
  expect(Buffer.from(letter?.data ?? []).equals(data)).toBe(true);
  const [record] = await dead();
  expect(record).toMatchObject({ lane: LANE, sequence: 3n, detail: letter?.reason });
  expect(Buffer.from(record?.payload ?? []).equals(data)).toBe(true);
  expect(tries.size).toBe(0);
});

test('what comes after a record set aside is not counted for it', async () => {
  const { run, parts, tries, stored } = processor();
  parts.behave = (decision) => {
    if (holds(decision, 'e1')) throw new TypeError('planted');
  };
  tries.set(1n, LIMITS.recordTriesMax);
  expect(await run(batchOf(2))).toEqual([]);
  expect(stored()).toEqual(['e2']);
  expect(parts.begun).toBe(1);
});

test('a record that ends the function is set aside untried, after tries that were counted before', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  const { run, parts, letters, stored } = processor();
  let tried = 0;
  parts.behave = (decision) => {
    if (!holds(decision, 'e1')) return undefined;
    tried += 1;
    // The function is gone: nothing comes back, and nobody waits.
    return new Promise(() => undefined);
  };
  for (let index = 0; index < LIMITS.recordTriesMax; index += 1) {
    void run(batchOf(1));
    for (let turns = 0; turns < 20; turns += 1) await turn();
    expect(tried).toBe(index + 1);
  }
  expect(await run(batchOf(1))).toEqual([]);
  expect(tried).toBe(LIMITS.recordTriesMax);
  expect(letters.size).toBe(1);
  expect(stored()).toEqual([]);
});

test('a record alone that has just come is not counted, unless it fails', async () => {
  const { run, parts, tries } = processor();
  expect(await run({ Records: [sent(1, { ageMs: 500 })] })).toEqual([]);
  expect(parts.begun).toBe(0);
  parts.behave = () => {
    throw new TypeError('planted');
  };
  expect(await run({ Records: [sent(2, { ageMs: 500 })] })).toEqual(['2']);
  expect(tries.get(2n)).toBe(1);
});

test('what the core cannot read is whole in the bucket before the store has it as dead', async () => {
  const { run, parts, letters, stored, dead } = processor();
  const broken = Buffer.from('not a record');
  const batch = { Records: [sent(1), sent(2, { data: broken }), sent(3)] };
  parts.letterFault = throttled();
  expect(await run(batch)).toEqual(['2']);
  expect(await dead()).toEqual([]);
  parts.letterFault = undefined;
  expect(await run(batch)).toEqual([]);
  expect(stored()).toEqual(['e1', 'e3']);
  expect(Buffer.from(letters.get('2')?.data ?? []).equals(broken)).toBe(true);
  expect(letters.get('2')?.reason).toMatch(/no header/);
  expect((await dead()).map(({ sequence }) => sequence)).toEqual([2n]);
});

test('with little time left it begins nothing, and reports all', async () => {
  const { run, parts, stored } = processor();
  parts.msLeft = LIMITS.lambdaMsLeftMin - 1;
  expect(await run(batchOf(3))).toEqual(['1']);
  expect(stored()).toEqual([]);
});

test('what does not come back in time is reported, not counted, and left with its store', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { run, parts, tries, stored } = processor();
  const held = Promise.withResolvers<void>();
  parts.behave = () => held.promise;
  const running = run(batchOf(1));
  for (let turns = 0; turns < 20; turns += 1) await turn();
  await vi.advanceTimersByTimeAsync(parts.msLeft - LIMITS.lambdaMsLeftMin / 2);
  expect(await running).toEqual(['1']);
  expect(tries.size).toBe(0);
  expect(parts.stores).toBe(2);
  expect(vi.getTimerCount()).toBe(0);
  parts.behave = () => undefined;
  expect(await run(batchOf(1))).toEqual([]);
  held.resolve();
  for (let turns = 0; turns < 20; turns += 1) await turn();
  expect(stored()).toEqual(['e1']);
});

/**
 * A store that takes so long for each record, in a function of 60 s whose clock is that of the test. What was given up never comes
 * to its end: Lambda freezes it, or the table has no more to give.
 */
function slowProcessor(msOf: (records: number) => number) {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: NOW });
  const made = processor({ clock: Date.now });
  let given = 0;
  made.parts.behave = async (decision) => {
    given += 1;
    const own = given;
    const ms = msOf(new Set(decision.events.map(({ position }) => position.sequence)).size);
    if (ms === Number.POSITIVE_INFINITY) throw throttled();
    await new Promise<void>((resolve) => setTimeout(() => own === given && resolve(), ms));
  };
  const run = async (event: ProcessEvent) => {
    given += 1;
    const endsAt = Date.now() + 60_000;
    let isOver = false;
    const running = made
      .handle(event, () => endsAt - Date.now())
      .finally(() => {
        isOver = true;
      });
    running.catch(() => undefined);
    for (let turns = 0; !isOver; turns += 1) {
      for (let steps = 0; steps < 5; steps += 1) await turn();
      if (!isOver) await vi.advanceTimersToNextTimerAsync();
      if (turns > 10_000) throw new Error('it hangs');
    }
    expect(Date.now()).toBeLessThan(endsAt);
    return running;
  };
  return { ...made, run };
}

test.each([
  { what: '5 ms a record', msEach: 5, tries: 1 },
  { what: 'half a second', msEach: 500, tries: 2 },
  { what: '3 s', msEach: 3_000, tries: 20 },
  { what: '25 s', msEach: 25_000, tries: 110 },
])('100 records of $what each end within $tries tries', async ({ msEach, tries }) => {
  const { run, stored, letters } = slowProcessor((records) => records * msEach);
  expect(await untilDone(run, batchOf(100))).toBeLessThanOrEqual(tries);
  expect(stored()).toHaveLength(100);
  expect(letters.size).toBe(0);
});

test('a store that throttles what is more than a few records at once takes them all, a few at once', async () => {
  const { run, stored, letters, tries } = slowProcessor((records) => (records > 3 ? Number.POSITIVE_INFINITY : 100));
  expect(await untilDone(run, batchOf(100))).toBeLessThanOrEqual(2);
  expect(stored()).toHaveLength(100);
  expect([letters.size, tries.size]).toEqual([0, 0]);
});

test('a store that becomes slow amid good times is asked for less with each try', async () => {
  let msEach = 1;
  const { run, stored } = slowProcessor((records) => records * msEach);
  expect(await run(batchOf(100))).toEqual([]);
  msEach = 4_000;
  const later = { Records: Array.from({ length: 64 }, (_, index) => sent(101 + index)) };
  expect(await untilDone(run, later)).toBeLessThanOrEqual(16);
  expect(stored()).toHaveLength(164);
});

type Fault = 'none' | 'before' | 'after' | 'odd';

test('whatever fails and however often, each good record is stored once, and each bad one is dead', async () => {
  const histories = fc.record({
    length: fc.integer({ min: 1, max: 12 }),
    unreadable: fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 2 }),
    hard: fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 2 }),
    faults: fc.array(fc.constantFrom<Fault>('none', 'before', 'after', 'odd'), { maxLength: 12 }),
  });
  await fc.assert(
    fc.asyncProperty(histories, async ({ length, unreadable, hard, faults }) => {
      const { run, parts, memory, stored, dead, letters } = processor();
      const plan = [...faults];
      parts.behave = async (decision) => {
        if (hard.some((number) => holds(decision, `e${number}`))) throw new TypeError('planted');
        const fault = plan.shift() ?? 'none';
        if (fault === 'before') throw throttled();
        if (fault === 'odd') throw new Error('odd');
        if (fault === 'after') {
          await memory.apply(decision);
          throw throttled();
        }
      };
      const numbers = Array.from({ length }, (_, index) => index + 1);
      const records = numbers.map((number) =>
        unreadable.includes(number) ? sent(number, { data: Buffer.from('broken') }) : sent(number),
      );
      await untilDone(run, { Records: records });
      const bad = numbers.filter((number) => unreadable.includes(number) || hard.includes(number));
      const good = numbers.filter((number) => !bad.includes(number)).map((number) => `e${number}`);
      expect(stored()).toEqual(good.sort());
      const deadNumbers = (await dead()).map(({ sequence }) => Number(sequence)).sort((a, b) => a - b);
      expect(deadNumbers).toEqual(bad);
      expect([...letters.keys()].map(Number).sort((a, b) => a - b)).toEqual(bad);
    }),
    { numRuns: 200 },
  );
});

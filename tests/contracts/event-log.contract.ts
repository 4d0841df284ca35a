import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ClickstreamError } from '../../src/core/errors.ts';
import type { EventLog, LaneRecord, LogRecord, RecordPosition } from '../../src/log/event-log.ts';

export interface OpenEventLog {
  readonly log: EventLog;
  /** What a consumer that begins at the beginning is given, by lane. */
  readAll(): Promise<ReadonlyMap<string, readonly LaneRecord[]>>;
  /** Makes appends fail, until `mend`. Absent where the adapter cannot be broken at will. */
  readonly broken?: { breakDown(): void; mend(): Promise<void> };
  /** Stops, and starts again on what is there. Absent where nothing outlives the process. */
  reopen?(): Promise<OpenEventLog>;
  close(): Promise<void>;
}

export interface EventLogHarness {
  readonly name: string;
  open(): Promise<OpenEventLog>;
}

const text = new TextDecoder();

/** What the port EventLog promises (src/log/event-log.ts), asked of any adapter. */
export function eventLogContract(harness: EventLogHarness): void {
  describe(`EventLog: ${harness.name}`, () => {
    let open: OpenEventLog;
    beforeEach(async () => {
      open = await harness.open();
    });
    afterEach(async () => {
      await open.close();
    });

    test('gives every record of an append its position, in the order given', async () => {
      const positions = await open.log.append(['a', 'b', 'c'].map((data) => record(data)));
      expect(positions).toHaveLength(3);
      await expectAt(open, positions, ['a', 'b', 'c']);
      expect(isAscending(positions.map(({ sequence }) => sequence))).toBe(true);
    });

    test('takes an append of nothing', async () => {
      expect(await open.log.append([])).toEqual([]);
      expect(await allData(open)).toEqual([]);
    });

    test.each([
      ['empty', ''],
      ['line feeds and NUL', '\n\0\n'],
      ['any script', 'дом 家 🏠 ́'],
      ['large', 'größer '.repeat(60_000)],
      ['one unit below a surrogate pair', '\ud7ff\ue000\uffff'],
    ])('hands on data unchanged: %s', async (_name, data) => {
      const positions = await open.log.append([record(data), record('after')]);
      await expectAt(open, positions, [data, 'after']);
    });

    test('any data, in any appends, comes out once and in order', async () => {
      const appended: string[] = [];
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 4 })), async (appends) => {
          for (const datas of appends) {
            await open.log.append(datas.map((data) => record(data)));
            appended.push(...datas);
          }
          expect(await allData(open)).toEqual(appended);
        }),
        { numRuns: 20 },
      );
    });

    test('what an append acknowledged is there when it resolves', async () => {
      for (let number = 0; number < 20; number++) {
        const positions = await open.log.append([record(`record ${number}`)]);
        await expectAt(open, positions, [`record ${number}`]);
      }
    });

    test('records of one key come out in the order of their appends, whatever others do meanwhile', async () => {
      const keys = ['ann', 'ben', 'cid', 'dora'];
      await Promise.all(
        keys.map(async (key) => {
          for (let number = 0; number < 50; number++) await open.log.append([record(`${key} ${number}`, key)]);
        }),
      );
      const data = await allData(open);
      expect(data).toHaveLength(200);
      for (const key of keys) {
        const own = data.filter((datum) => datum.startsWith(key));
        expect(own).toEqual(Array.from({ length: 50 }, (_, number) => `${key} ${number}`));
      }
    });

    test('no two records have one position, and a lane is in the order of its sequences', async () => {
      const appends = Array.from({ length: 200 }, (_, number) => open.log.append([record(`${number}`, `${number}`)]));
      const positions = (await Promise.all(appends)).flat();
      expect(new Set(positions.map(({ lane, sequence }) => `${lane} ${sequence}`)).size).toBe(200);
      for (const [index, position] of positions.entries()) await expectAt(open, [position], [`${index}`]);
      for (const records of (await open.readAll()).values()) {
        expect(isAscending(records.map(({ sequence }) => sequence))).toBe(true);
      }
    });

    test('can be read again from the beginning', async () => {
      await open.log.append([record('a'), record('b')]);
      expect(await allData(open)).toEqual(['a', 'b']);
      expect(await allData(open)).toEqual(['a', 'b']);
    });

    test('a log that cannot be written rejects with a retriable error, and goes on when it can', async ({ skip }) => {
      if (open.broken === undefined) return skip();
      const before = await open.log.append([record('before')]);
      open.broken.breakDown();
      for (const attempt of ['first', 'second']) {
        const error = await open.log.append([record(attempt)]).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(ClickstreamError);
        expect(error).toMatchObject({ retriable: true, status: 503 });
        expect(['log_unavailable', 'overloaded']).toContain((error as ClickstreamError).code);
        // Where it is told beforehand, it is what an append would be told.
        const refusal = open.log.refusal?.();
        if (refusal !== undefined) expect(refusal).toMatchObject({ retriable: true, status: 503 });
      }
      await open.broken.mend();
      expect(open.log.refusal?.()).toBeUndefined();
      const after = await open.log.append([record('after')]);
      await expectAt(open, [...before, ...after], ['before', 'after']);
    });

    test('what was acknowledged is there after a restart, and what comes then follows it', async ({ skip }) => {
      if (open.reopen === undefined) return skip();
      const positions: RecordPosition[] = [];
      for (let start = 0; start < 4; start++) {
        positions.push(...(await open.log.append([record(`${start}`), record(`${start} again`)])));
        open = (await open.reopen?.()) ?? open;
      }
      expect(isAscending(positions.map(({ sequence }) => sequence))).toBe(true);
      const data = [0, 1, 2, 3].flatMap((start) => [`${start}`, `${start} again`]);
      await expectAt(open, positions, data);
      expect(await allData(open)).toEqual(data);
    });
  });
}

function record(data: string, partitionKey = 'visitor'): LogRecord {
  return { partitionKey, data };
}

async function allData(open: OpenEventLog): Promise<readonly string[]> {
  return [...(await open.readAll()).values()].flat().map(({ data }) => text.decode(data));
}

async function expectAt(open: OpenEventLog, positions: readonly RecordPosition[], data: readonly string[]) {
  const lanes = await open.readAll();
  const found = positions.map(({ lane, sequence }) => {
    const records = (lanes.get(lane) ?? []).filter((candidate) => candidate.sequence === sequence);
    return records.map((candidate) => text.decode(candidate.data));
  });
  expect(found).toEqual(data.map((datum) => [datum]));
}

function isAscending(sequences: readonly bigint[]): boolean {
  return sequences.every((sequence, index) => {
    const before = sequences[index - 1];
    return before === undefined || before < sequence;
  });
}

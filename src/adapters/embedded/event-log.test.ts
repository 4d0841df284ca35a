import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ClickstreamError } from '../../core/errors.ts';
import { type EmbeddedEventLog, type EventLogOptions, openEventLog } from './event-log.ts';
import { type Files, nodeFiles } from './files.ts';
import type { LogFinding } from './log-finding.ts';
import { LogProgress } from './log-progress.ts';
import { LogReader, readRecords } from './log-reader.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from './segment.ts';

const HOUR_MS = 3_600_000;
const logs: EmbeddedEventLog[] = [];
let folder: string;
let progress: LogProgress;
let findings: LogFinding[];
let nowMs: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'event-log-'));
  findings = [];
  nowMs = 1_000_000;
});

afterEach(async () => {
  for (const log of logs.splice(0)) await log.close();
  rmSync(folder, { recursive: true });
});

async function open(limits: EventLogOptions['limits'] = {}, atLeast = -1n): Promise<EmbeddedEventLog> {
  progress = new LogProgress();
  const log = await openEventLog({
    folder,
    clock: () => nowMs,
    limits: { segmentBytes: 16_384, unprocessedBytesMax: Number.POSITIVE_INFINITY, ...limits },
    atLeast,
    progress,
    onFinding: (finding) => findings.push(finding),
  });
  logs.push(log);
  return log;
}

function append(log: EmbeddedEventLog, ...data: readonly string[]) {
  return log.append(data.map((datum) => ({ partitionKey: '', data: datum })));
}

function reader(after = -1n): LogReader {
  return new LogReader({ folder, progress, after, onFinding: (finding) => findings.push(finding) });
}

function texts(records: Iterable<{ readonly data: Uint8Array }>): readonly string[] {
  return [...records].map(({ data }) => Buffer.from(data).toString());
}

function allTexts(): readonly string[] {
  return texts(readRecords({ folder, after: -1n, onFinding: (finding) => findings.push(finding) }));
}

function segments(): readonly string[] {
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
}

async function errorOf(promise: Promise<unknown>): Promise<ClickstreamError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ClickstreamError)) throw new Error('a ClickstreamError was expected', { cause: error });
  return error;
}

describe('appending', () => {
  test('fills many segments, keeps one prepared, and ends the last one at close', async () => {
    const log = await open();
    const data = Array.from({ length: 100 }, (_, index) => `${index} ${'x'.repeat(1_000)}`);
    for (const datum of data) await append(log, datum);
    expect(log.end).toBe(99n);
    await log.close();
    expect(segments().length).toBeGreaterThan(5);
    expect(statSync(segments().at(-1) ?? '').size).toBeLessThan(16_384);
    expect(allTexts()).toEqual(data);
    expect(findings).toEqual([]);
  });

  test('takes an append larger than a segment', async () => {
    const log = await open();
    const large = 'ж'.repeat(40_000);
    await append(log, 'before', 'small');
    await append(log, large, 'with it');
    await append(log, 'after');
    expect(texts(reader().read({ bytesMax: 1e6 }))).toEqual(['before', 'small', large, 'with it', 'after']);
  });

  test('refuses what could never wait, and what waits too much', async () => {
    const log = await open({ waitingBytesMax: 1_000 });
    expect(await errorOf(append(log, 'x'.repeat(1_001)))).toMatchObject({ code: 'body_too_large', retriable: false });
    const first = append(log, 'x'.repeat(900));
    expect(await errorOf(append(log, 'x'.repeat(200)))).toMatchObject({ code: 'overloaded', retriable: true });
    await first;
    await append(log, 'x'.repeat(200));
  });

  test('close writes what waits, and then nothing is taken', async () => {
    const log = await open({ unprocessedBytesMax: 10 });
    await append(log, 'more than ten bytes');
    const held = [append(log, 'held'), append(log, 'held too')];
    await log.close();
    await Promise.all(held);
    expect(await errorOf(append(log, 'late'))).toMatchObject({ code: 'log_unavailable' });
    expect(log.condition().writable).toBe(false);
    expect(allTexts()).toEqual(['more than ten bytes', 'held', 'held too']);
  });
});

describe('the gate', () => {
  test('holds appends while the processor is behind, and opens when it has caught up', async () => {
    const log = await open({ unprocessedBytesMax: 500 });
    const tail = reader();
    await append(log, 'x'.repeat(1_000));
    let isDone = false;
    const held = append(log, 'held').then(() => {
      isDone = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isDone).toBe(false);
    progress.processed(tail.read({ bytesMax: 1e6 }).at(-1)?.sequence ?? -1n, tail.bytesConsumed);
    await held;
    expect(texts(tail.read({ bytesMax: 1e6 }))).toEqual(['held']);
  });

  test('refuses an append held too long, and only that', async () => {
    const log = await open({ unprocessedBytesMax: 500, gateMsMax: 1_000 });
    await append(log, 'x'.repeat(1_000));
    const old = errorOf(append(log, 'old', 'old too'));
    nowMs += 600;
    const young = append(log, 'young');
    nowMs += 500;
    expect(await old).toMatchObject({ code: 'overloaded', retriable: true });
    const tail = reader();
    tail.read({ bytesMax: 1e6 });
    progress.processed(0n, tail.bytesConsumed);
    expect(await young).toEqual([{ lane: 'local', sequence: 1n }]);
    expect(texts(tail.read({ bytesMax: 1e6 }))).toEqual(['young']);
  });

  test('counts what was not processed before a restart, and no more', async () => {
    const first = await open();
    for (let index = 0; index < 40; index++) await append(first, `${index} ${'x'.repeat(1_000)}`);
    await first.close();
    const log = await open({ unprocessedBytesMax: 5_000 }, 29n);
    const tail = reader(29n);
    let isDone = false;
    const held = append(log, 'held').then(() => {
      isDone = true;
    });
    while (!isDone) {
      const records = tail.read({ bytesMax: 500 });
      expect(records.length).toBeLessThan(2);
      if (records.length > 0) progress.processed(records[0]?.sequence ?? -1n, tail.bytesConsumed);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await held;
    expect(texts(tail.read({ bytesMax: 1e6 })).at(-1)).toBe('held');
    expect(tail.bytesConsumed).toBe(progress.durableBytes);
  });
});

describe('reading', () => {
  test('gives what is after a sequence, in parts, across segments', async () => {
    const log = await open();
    const data = Array.from({ length: 60 }, (_, index) => `${index} ${'x'.repeat(900)}`);
    for (let index = 0; index < 60; index += 3) await append(log, ...data.slice(index, index + 3));
    const tail = reader(10n);
    const got: string[] = [];
    for (let part = tail.read({ bytesMax: 1_500 }); part.length > 0; part = tail.read({ bytesMax: 1_500 })) {
      expect(part.length).toBe(2 - (got.length === 48 ? 1 : 0));
      got.push(...texts(part));
    }
    expect(got).toEqual(data.slice(11));
    await append(log, 'more');
    expect(texts(tail.read({ bytesMax: 1 }))).toEqual(['more']);
    expect(findings).toEqual([]);
  });

  test('never goes beyond what is durable', async () => {
    const log = await open();
    await append(log, 'a');
    const durable = progress.durable;
    await append(log, 'b');
    const held = new LogReader({ folder, progress: { durable }, after: -1n, onFinding: () => undefined });
    expect(texts(held.read({ bytesMax: 1e6 }))).toEqual(['a']);
    expect(held.read({ bytesMax: 1e6 })).toEqual([]);
  });
});

describe('retention', () => {
  test('deletes whole segments that are processed and old, oldest first, and never the last', async () => {
    const log = await open();
    for (let index = 0; index < 60; index++) {
      nowMs += HOUR_MS;
      await append(log, `${index} ${'x'.repeat(1_000)}`);
    }
    const before = segments().length;
    expect(await log.trim({ doneAndDurable: 59n, nowMs: 0 })).toBe(0);
    expect(await log.trim({ doneAndDurable: -1n, nowMs: nowMs + 1_000 * HOUR_MS })).toBe(0);
    expect(await log.trim({ doneAndDurable: 20n, nowMs: nowMs + 1_000 * HOUR_MS })).toBe(1);
    expect(texts(reader(20n).read({ bytesMax: 1e6 }))[0]).toMatch(/^21 /);
    const trimmed = await log.trim({ doneAndDurable: 59n, nowMs });
    expect(trimmed).toBeGreaterThan(0);
    expect(texts(reader(50n).read({ bytesMax: 1e6 }))).toHaveLength(9);
    expect(segments()).toHaveLength(before - 1 - trimmed);
    await log.trim({ doneAndDurable: 59n, nowMs: nowMs + 1_000 * HOUR_MS });
    expect((await append(log, 'on it goes'))[0]?.sequence).toBe(60n);
    expect(findings).toEqual([]);
  });

  test('on a quiet site too, what is processed and old goes', async () => {
    const log = await open();
    await append(log, 'private');
    for (let hour = 0; hour < 26; hour++) {
      nowMs += HOUR_MS;
      // What was written last is done with.
      await new Promise(setImmediate);
      const [, appended] = await Promise.all([
        log.trim({ doneAndDurable: 0n, nowMs }),
        hour === 1 && append(log, 'next'),
      ]);
      if (appended !== false) expect(appended[0]?.sequence).toBe(1n);
      // What is ended keeps no zeros.
      if (hour === 2) expect(statSync(segments()[0] ?? '').size).toBe(SEGMENT_HEADER_BYTES + 24 + 4 + 'private'.length);
    }
    expect(allTexts()).toEqual(['next']);
    await log.close();
    expect(segments().length).toBeLessThanOrEqual(2);
    expect(findings.filter(({ kind }) => kind !== 'records_missing')).toEqual([]);
  });

  test('an emptied and restarted log goes on with its sequences', async () => {
    const first = await open();
    for (let index = 0; index < 40; index++) await append(first, `${index} ${'x'.repeat(1_000)}`);
    await first.trim({ doneAndDurable: 39n, nowMs: nowMs + 25 * HOUR_MS });
    await first.close();
    const second = await open({}, 39n);
    await second.trim({ doneAndDurable: 39n, nowMs: nowMs + 25 * HOUR_MS });
    expect(segments()).toHaveLength(1);
    expect((await append(second, 'next'))[0]?.sequence).toBe(40n);
    expect(progress.durableBytes - progress.processedBytes).toBe(24 + 4 + 4);
    expect(findings).toEqual([]);
  });
});

describe('damage by hand', () => {
  test('a log cut below what was processed goes on above it, and says so', async () => {
    const first = await open();
    for (let index = 0; index < 5; index++) await append(first, `${index}`);
    await first.close();
    const path = segments()[0] ?? '';
    writeFileSync(path, readFileSync(path).subarray(0, -20));
    const log = await open({}, 4n);
    expect(log.findings).toEqual([{ kind: 'tail_missing', after: 3n, before: 5n }]);
    expect((await append(log, 'next'))[0]?.sequence).toBe(5n);
    expect(texts(reader(4n).read({ bytesMax: 1e6 }))).toEqual(['next']);
    findings = [];
    await log.close();
    expect(allTexts()).toEqual(['0', '1', '2', '3', 'next']);
    expect(findings).toMatchObject([{ kind: 'records_missing', after: 3n, before: 5n }]);
  });

  test('a log taken away whole goes on above what was processed', async () => {
    const log = await open({}, 9n);
    expect(log.findings).toEqual([{ kind: 'tail_missing', after: -1n, before: 10n }]);
    expect((await append(log, 'next'))[0]?.sequence).toBe(10n);
  });

  test('a segment taken away is reported, and the rest served', async () => {
    const log = await open();
    for (let index = 0; index < 60; index++) await append(log, `${index} ${'x'.repeat(1_000)}`);
    await log.close();
    rmSync(segments()[1] ?? '');
    const left = allTexts();
    expect(left.length).toBeGreaterThan(40);
    expect(left.length).toBeLessThan(60);
    expect(findings).toMatchObject([{ kind: 'records_missing' }]);
  });

  test('a record cut out of the middle is reported, and the rest served', async () => {
    const log = await open();
    for (let index = 0; index < 5; index++) await append(log, `${index}`);
    await log.close();
    const path = segments()[0] ?? '';
    const content = readFileSync(path);
    const group = 24 + 4 + 1;
    const cut = SEGMENT_HEADER_BYTES + 2 * group;
    writeFileSync(path, Buffer.concat([content.subarray(0, cut), content.subarray(cut + group)]));
    expect(allTexts()).toEqual(['0', '1', '3', '4']);
    expect(findings).toEqual([{ kind: 'records_missing', after: 1n, before: 3n }]);
  });

  test('a log of a newer version is refused, and left as it is', async () => {
    const header = encodeSegmentHeader({
      serial: 1,
      previous: 0,
      previousEnd: 0,
      firstSequence: 0n,
      startBytes: 0,
      createdAtMs: 0,
    });
    header.writeUInt32LE(2, 12);
    header.writeUInt32LE(crc32(header.subarray(12)), 8);
    const path = join(folder, '0000000001.segment');
    writeFileSync(path, header);
    expect(await errorOf(open())).toMatchObject({ code: 'data_format_newer' });
    expect(readFileSync(path)).toEqual(header);
    expect(segments()).toEqual([path]);
  });
});

test('who is far behind opens each segment a few times, however many there are', async () => {
  const log = await open();
  const count = 60;
  for (let place = 0; place < count; place += 1) await append(log, String(place).padEnd(12_000));
  expect(segments().length).toBeGreaterThanOrEqual(count);
  let opened = 0;
  const files: Files = {
    ...nodeFiles,
    openToRead(path) {
      opened += 1;
      return nodeFiles.openToRead(path);
    },
  };
  const behind = new LogReader({ folder, files, progress, after: -1n, onFinding: (finding) => findings.push(finding) });
  const read: string[] = [];
  for (let records = behind.read({ bytesMax: 1 }); records.length > 0; records = behind.read({ bytesMax: 1 })) {
    read.push(...texts(records));
  }
  behind.close();
  expect(read.map(Number)).toEqual(Array.from({ length: count }, (_, place) => place));
  expect(opened).toBeLessThan(4 * count);
});

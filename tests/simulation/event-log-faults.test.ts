import { expect, test } from 'vitest';
import type { EmbeddedEventLog } from '../../src/adapters/embedded/event-log.ts';
import type { LogFinding } from '../../src/adapters/embedded/log-finding.ts';
import { LogProgress } from '../../src/adapters/embedded/log-progress.ts';
import { LogReader, readRecords } from '../../src/adapters/embedded/log-reader.ts';
import { ClickstreamError } from '../../src/core/errors.ts';
import { seededRandom } from '../random.ts';
import { FaultFiles } from './fault-files.ts';
import { LOG_FOLDER, openOn } from './log-simulation.ts';

interface Opened {
  readonly log: EmbeddedEventLog;
  readonly progress: LogProgress;
  readonly findings: LogFinding[];
}

async function open(files: FaultFiles, atLeast = -1n): Promise<Opened> {
  const progress = new LogProgress();
  const findings: LogFinding[] = [];
  return { log: await openOn(files, { atLeast, progress, findings }), progress, findings };
}

async function append(log: EmbeddedEventLog, data: string): Promise<bigint> {
  const [position] = await log.append([{ partitionKey: '', data }]);
  if (position === undefined) throw new Error('an append without a position');
  return position.sequence;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  return thrown instanceof ClickstreamError ? thrown.code : `none: ${String(thrown)}`;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

function all(
  files: FaultFiles,
  progress?: LogProgress,
): { readonly texts: readonly string[]; readonly findings: readonly LogFinding[] } {
  const findings: LogFinding[] = [];
  const onFinding = (finding: LogFinding) => findings.push(finding);
  const records = [...readRecords({ folder: LOG_FOLDER, files, progress, after: -1n, onFinding })];
  return { texts: records.map(({ data }) => Buffer.from(data).toString()), findings };
}

function flip(files: FaultFiles, path: string | undefined, at: (content: Buffer) => number): void {
  files.damage(path ?? '', (content) => {
    const place = at(content);
    content[place] = (content[place] ?? 0) ^ 0xff;
    return content;
  });
}

/** A closed log of five records in its first segment. */
async function fiveRecords(): Promise<FaultFiles> {
  const files = new FaultFiles(seededRandom(1));
  const { log } = await open(files);
  for (const datum of ['a', 'b', 'c', 'd', 'e']) await append(log, `record ${datum}`);
  await log.close();
  return files;
}

test('a corrupt byte in the middle is reported, nothing is cut, and both sides are served', async () => {
  const files = await fiveRecords();
  const [path] = files.paths(LOG_FOLDER);
  const size = files.openToRead(path ?? '').size();
  flip(files, path, (content) => content.indexOf('record c'));
  const { log, findings, progress } = await open(files);
  expect(findings).toEqual([{ kind: 'corruption', file: '0000000001.segment', bytes: 36, after: 1n, before: 3n }]);
  expect(log.findings).toEqual(findings);
  expect(files.openToRead(path ?? '').size()).toBe(size);
  expect(await append(log, 'record f')).toBe(5n);
  expect(all(files, progress)).toEqual({
    texts: ['record a', 'record b', 'record d', 'record e', 'record f'],
    findings,
  });
});

test('the reader reports a gap once, and not when it was processed before', async () => {
  const files = await fiveRecords();
  flip(files, files.paths(LOG_FOLDER)[0], (content) => content.indexOf('record c'));
  const { progress } = await open(files);
  for (const [after, gaps] of [
    [-1n, 1],
    [1n, 1],
    [2n, 0],
    [3n, 0],
  ] as const) {
    const findings: LogFinding[] = [];
    const reader = new LogReader({
      folder: LOG_FOLDER,
      files,
      progress,
      after,
      onFinding: (finding) => findings.push(finding),
    });
    while (reader.read({ bytesMax: 1 }).length > 0);
    expect(findings).toHaveLength(gaps);
    expect(reader.bytesConsumed).toBe(progress.durableBytes);
  }
});

test('an unfinished write at the end is cut, and reported with its bytes', async () => {
  const files = await fiveRecords();
  const [path] = files.paths(LOG_FOLDER);
  files.damage(path ?? '', (content) => Buffer.concat([content.subarray(0, -1), Buffer.alloc(500)]));
  const { log, findings } = await open(files);
  expect(findings).toEqual([{ kind: 'torn_tail_cut', file: '0000000001.segment', bytes: 35 }]);
  expect(await append(log, 'again')).toBe(4n);
  expect(all(files).texts).toEqual(['record a', 'record b', 'record c', 'record d', 'again']);
});

test('what looks unfinished but was processed is not cut', async () => {
  const files = await fiveRecords();
  const [path] = files.paths(LOG_FOLDER);
  const size = files.openToRead(path ?? '').size();
  flip(files, path, (content) => content.indexOf('record e'));
  const { log, findings } = await open(files, 4n);
  expect(findings).toEqual([{ kind: 'tail_missing', after: 3n, before: 5n }]);
  expect(files.openToRead(path ?? '').size()).toBe(size);
  expect(await append(log, 'next')).toBe(5n);
});

test('a corrupt header is reported, and the groups of its segment are served', async () => {
  const files = await fiveRecords();
  const first = await open(files);
  await append(first.log, 'second segment');
  await first.log.close();
  flip(files, files.paths(LOG_FOLDER)[0], () => 20);
  const { findings, log } = await open(files);
  expect(findings).toEqual([{ kind: 'header_corrupt', file: '0000000001.segment' }]);
  expect(await append(log, 'third segment')).toBe(6n);
  expect(all(files)).toEqual({
    texts: ['record a', 'record b', 'record c', 'record d', 'record e', 'second segment', 'third segment'],
    findings: [],
  });
});

test('a file in which nothing can be read is reported, and left as it is', async () => {
  const files = await fiveRecords();
  const [path = ''] = files.paths(LOG_FOLDER);
  files.damage(path, (content) => content.fill(0xee));
  const { findings } = await open(files, 4n);
  expect(findings).toMatchObject([{ kind: 'segment_unreadable' }, { kind: 'tail_missing' }]);
  expect(files.paths(LOG_FOLDER)).toContain(path);
});

test('a group whose write fails is written anew into a new segment, and the old file never again', async () => {
  const files = new FaultFiles(seededRandom(1));
  const { log, progress } = await open(files);
  expect(await append(log, 'before')).toBe(0n);
  const [old = ''] = files.paths(LOG_FOLDER);
  let isFailing = true;
  files.faults.failing = () => {
    const fails = isFailing;
    isFailing = false;
    return fails;
  };
  expect(await append(log, 'failed once')).toBe(1n);
  const content = files.openToRead(old).size();
  expect(await append(log, 'after')).toBe(2n);
  expect(log.condition()).toEqual({ writable: true });
  expect(files.paths(LOG_FOLDER)).toHaveLength(2);
  expect(files.openToRead(old).size()).toBe(content);
  // The first attempt did reach the file, and must not come out beside the second.
  const bytes = Buffer.alloc(content);
  files.openToRead(old).read(bytes, 0);
  expect(bytes.includes('failed once')).toBe(true);
  expect(bytes.includes('after')).toBe(false);
  expect(all(files, progress)).toEqual({ texts: ['before', 'failed once', 'after'], findings: [] });
  expect(all(files.powerLoss())).toEqual({ texts: ['before', 'failed once', 'after'], findings: [] });
});

test('a full disk refuses appends and says so; when space returns, work goes on with no restart', async () => {
  const files = new FaultFiles(seededRandom(1));
  const { log, progress } = await open(files);
  const written: string[] = [];
  files.faults.capacityBytes = 30_000;
  for (;;) {
    const data = `${written.length} ${'x'.repeat(1_000)}`;
    const appended = append(log, data);
    if ((await codeOf(appended)).startsWith('none')) written.push(data);
    else break;
  }
  expect(written.length).toBeGreaterThan(10);
  expect(log.condition()).toMatchObject({ writable: false, detail: expect.stringContaining('ENOSPC') });
  expect(await codeOf(append(log, 'refused'))).toBe('log_unavailable');
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(log.condition().writable).toBe(false);
  files.faults.capacityBytes = 60_000;
  await until(() => log.condition().writable);
  expect(await append(log, 'space again')).toBe(BigInt(written.length));
  expect(all(files, progress)).toEqual({ texts: [...written, 'space again'], findings: [] });
  await log.close();
});

test('a log opened on a full disk is open, refuses, and works when space returns', async () => {
  const files = await fiveRecords();
  files.faults.capacityBytes = 1_000;
  const { log, progress } = await open(files);
  expect(log.condition().writable).toBe(false);
  expect(await codeOf(append(log, 'refused'))).toBe('log_unavailable');
  expect(all(files, progress).texts).toHaveLength(5);
  files.faults.capacityBytes = 100_000;
  await until(() => log.condition().writable);
  expect(await append(log, 'record f')).toBe(5n);
});

test('on a device that fails every write, all that waits is refused, and no file piles up', async () => {
  const files = new FaultFiles(seededRandom(1));
  const { log } = await open(files);
  await append(log, 'before');
  files.faults.failing = () => true;
  const codes = await Promise.all(Array.from({ length: 10 }, (_, index) => codeOf(append(log, `${index}`))));
  expect(new Set(codes)).toEqual(new Set(['log_unavailable']));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(files.paths(LOG_FOLDER)).toHaveLength(1);
  files.faults.failing = () => false;
  await until(() => log.condition().writable);
  expect(await append(log, 'after')).toBe(1n);
  expect(all(files.powerLoss())).toEqual({ texts: ['before', 'after'], findings: [] });
});

test('writes that take only a part are continued', async () => {
  const files = new FaultFiles(seededRandom(1), { shortWrites: true });
  const { log } = await open(files);
  const data = Array.from({ length: 50 }, (_, index) => `${index} ${'y'.repeat(700)}`);
  for (const datum of data) await append(log, datum);
  expect(all(files.powerLoss())).toEqual({ texts: data, findings: [] });
});

test('a reader that follows is stopped by nothing it cannot read, and reports it once', async () => {
  const files = new FaultFiles(seededRandom(1));
  const { log, progress } = await open(files);
  const findings: LogFinding[] = [];
  const reader = new LogReader({
    folder: LOG_FOLDER,
    files,
    progress,
    after: -1n,
    onFinding: (finding) => findings.push(finding),
  });
  await append(log, 'first');
  flip(files, files.paths(LOG_FOLDER)[0], (content) => content.indexOf('first'));
  expect(reader.read({ bytesMax: 1_000 })).toEqual([]);
  expect(reader.read({ bytesMax: 1_000 })).toEqual([]);
  expect(findings).toEqual([
    { kind: 'corruption', file: '0000000001.segment', bytes: 24 + 4 + 5, after: -1n, before: undefined },
  ]);
  expect(reader.bytesConsumed).toBe(progress.durableBytes);
  await append(log, 'second');
  expect(reader.read({ bytesMax: 1_000 }).map(({ sequence }) => sequence)).toEqual([1n]);
  expect(findings).toHaveLength(1);
});

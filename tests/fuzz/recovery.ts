import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { LogFinding } from '../../src/adapters/embedded/log-finding.ts';
import { LogProgress } from '../../src/adapters/embedded/log-progress.ts';
import { readRecords } from '../../src/adapters/embedded/log-reader.ts';
import { groupAt, SEGMENT_HEADER_BYTES } from '../../src/adapters/embedded/segment.ts';
import { ClickstreamError } from '../../src/core/errors.ts';
import { seededRandom } from '../random.ts';
import { FaultFiles } from '../simulation/fault-files.ts';
import { LOG_FOLDER, openOn } from '../simulation/log-simulation.ts';
import { assertQuick, type Fuzzing, parametersOf } from './fuzzing.ts';
import { flip, type Mutation, mutated, mutations } from './mutations.ts';

/** Records that were appended, by sequence, and the files they lie in. */
interface Written {
  readonly files: FaultFiles;
  readonly records: ReadonlyMap<bigint, string>;
}

async function written(seed: number): Promise<Written> {
  const files = new FaultFiles(seededRandom(seed));
  const log = await openOn(files, { atLeast: -1n, progress: new LogProgress(), findings: [] });
  const records = new Map<bigint, string>();
  const random = seededRandom(seed);
  for (let append = 0; append < 12; append += 1) {
    const count = 1 + Math.floor(random() * 4);
    const datas = Array.from(
      { length: count },
      (_, place) => `${append}/${place} ${'ü😀x'.repeat(Math.floor(random() * 150))}`,
    );
    const positions = await log.append(datas.map((data) => ({ partitionKey: 'p', data })));
    for (const [place, { sequence }] of positions.entries()) records.set(sequence, datas[place] ?? '');
  }
  await log.close();
  return { files, records };
}

interface Read {
  readonly records: ReadonlyMap<bigint, string>;
  readonly sequences: readonly bigint[];
}

function read(files: FaultFiles): Read {
  const all = [...readRecords({ folder: LOG_FOLDER, files, after: -1n, onFinding: () => undefined })];
  return {
    records: new Map(all.map(({ sequence, data }) => [sequence, Buffer.from(data).toString()] as const)),
    sequences: all.map(({ sequence }) => sequence),
  };
}

/** Where whole groups lie in a segment, and the sequences of their records. */
function groupsOf(
  content: Buffer,
): readonly { readonly from: number; readonly to: number; readonly sequences: readonly bigint[] }[] {
  const groups = [];
  for (let at = SEGMENT_HEADER_BYTES; ; ) {
    const group = groupAt(content, at);
    if (group === undefined) return groups;
    const sequences = Array.from({ length: group.count }, (_, place) => group.firstSequence + BigInt(place));
    groups.push({ from: at, to: at + group.bytes, sequences });
    at += group.bytes;
  }
}

/** Damage of one segment of the log: its number, counted round and round, and what is changed in it. */
interface Damage {
  readonly seed: number;
  readonly segment: number;
  readonly changes: readonly Mutation[];
}

/**
 * Whatever becomes of the bytes of a segment, the log opens or refuses whole; what it gives was appended, at its own place and
 * in order; it takes new records; and the next start gives the same once more. Where bytes were flipped alone, all groups
 * without a flipped byte are there.
 */
export async function fuzzRecovery(fuzzing: Fuzzing): Promise<void> {
  const any = fc.record({ seed: fc.nat(20), segment: fc.nat(20), changes: mutations });
  const flipped = fc.record({
    seed: fc.nat(20),
    segment: fc.nat(20),
    changes: fc.array(flip, { minLength: 1, maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.oneof(any, flipped), async (damage) => {
      const startMs = performance.now();
      await recovers(damage);
      assertQuick(startMs);
    }),
    parametersOf(fuzzing),
  );
}

async function recovers({ seed, segment, changes }: Damage): Promise<void> {
  const { files, records } = await written(seed);
  const paths = files.paths(LOG_FOLDER);
  const path = paths[segment % paths.length];
  assert.ok(path !== undefined);
  let whole: readonly bigint[] = [];
  files.damage(path, (content) => {
    const bytes = mutated(content, changes);
    const isFlipped = changes.every(({ kind }) => kind === 'flip');
    if (isFlipped) whole = untouched(content, bytes);
    return bytes;
  });
  const findings: LogFinding[] = [];
  const first = await opened(files, findings);
  if (first === undefined) return;
  sound(first, records);
  for (const sequence of whole)
    assert.ok(first.records.has(sequence), `${sequence} is in no damaged group, and is not read`);
  const again = await opened(files, []);
  assert.ok(again !== undefined, 'what opened once opens again');
  for (const [sequence, data] of first.records) assert.equal(again.records.get(sequence), data);
}

/** Sequences of the groups in which both are the same. */
function untouched(before: Buffer, after: Buffer): readonly bigint[] {
  return groupsOf(before)
    .filter(({ from, to }) => before.subarray(from, to).equals(after.subarray(from, to)))
    .flatMap(({ sequences }) => sequences);
}

/** Opens the log, appends a record, closes it, and reads all. Undefined when the log refuses the folder, whole. */
async function opened(files: FaultFiles, findings: LogFinding[]): Promise<Read | undefined> {
  const before = new Map(files.paths(LOG_FOLDER).map((path) => [path, contentOf(files, path)] as const));
  let log: Awaited<ReturnType<typeof openOn>>;
  try {
    log = await openOn(files, { atLeast: -1n, progress: new LogProgress(), findings });
  } catch (thrown) {
    assert.ok(thrown instanceof ClickstreamError && thrown.code === 'data_format_newer', String(thrown));
    const after = new Map(files.paths(LOG_FOLDER).map((path) => [path, contentOf(files, path)] as const));
    assert.deepEqual(after, before, 'what is refused is not touched');
    return undefined;
  }
  const [position] = await log.append([{ partitionKey: 'p', data: 'after the damage' }]);
  await log.close();
  const found = read(files);
  assert.equal(found.records.get(position?.sequence ?? -1n), 'after the damage');
  return found;
}

function contentOf(files: FaultFiles, path: string): string {
  let content = '';
  files.damage(path, (bytes) => {
    content = bytes.toString('base64');
    return bytes;
  });
  return content;
}

/** What is read was appended, at its place, and in order. */
function sound({ records, sequences }: Read, appended: ReadonlyMap<bigint, string>): void {
  for (const [sequence, data] of records) {
    if (data !== 'after the damage') assert.equal(data, appended.get(sequence), `record ${sequence}`);
  }
  for (const [place, sequence] of sequences.entries()) {
    const before = sequences[place - 1];
    assert.ok(before === undefined || sequence > before, `record ${sequence} comes after ${before}`);
  }
}

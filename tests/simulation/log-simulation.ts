import { type EmbeddedEventLog, openEventLog } from '../../src/adapters/embedded/event-log.ts';
import type { LogFinding } from '../../src/adapters/embedded/log-finding.ts';
import { LogProgress } from '../../src/adapters/embedded/log-progress.ts';
import { readRecords } from '../../src/adapters/embedded/log-reader.ts';
import { ClickstreamError } from '../../src/core/errors.ts';
import { seededRandom } from '../random.ts';
import { FaultFiles, type Faults } from './fault-files.ts';

export const LOG_FOLDER = '/data/log';

/** What a history came to. All but `acknowledged` and `stops` must be empty. */
export interface LogHistory {
  readonly acknowledged: number;
  readonly stops: number;
  /** Sequences acknowledged whose record is not there, or is another. */
  readonly lost: readonly bigint[];
  /** Data read that was never appended. */
  readonly alien: readonly string[];
  readonly outOfOrder: boolean;
  /** No loss of power corrupts anything or takes away what was acknowledged. */
  readonly findings: readonly LogFinding[];
}

export function isGood({ lost, alien, outOfOrder, findings }: LogHistory): boolean {
  return lost.length === 0 && alien.length === 0 && !outOfOrder && findings.length === 0;
}

/** Waiting takes no time here. */
export function shortTimer(_ms: number, run: () => void): () => void {
  const immediate = setImmediate(run);
  return () => {
    clearImmediate(immediate);
  };
}

export function openOn(
  files: FaultFiles,
  options: { readonly atLeast: bigint; readonly progress: LogProgress; readonly findings: LogFinding[] },
): Promise<EmbeddedEventLog> {
  return openEventLog({
    folder: LOG_FOLDER,
    files,
    clock: () => 0,
    timer: shortTimer,
    limits: { segmentBytes: 8_192, groupBytesMax: 4_096, unprocessedBytesMax: Number.POSITIVE_INFINITY },
    atLeast: options.atLeast,
    progress: options.progress,
    onFinding: (finding) => options.findings.push(finding),
  });
}

/**
 * A log that is stopped at random moments, also in the middle of its recovery, by a loss of power or a kill, on a disk
 * that now and then fails a write. The same seed gives the same history.
 */
export async function logHistory(seed: number, planted?: Faults['planted']): Promise<LogHistory> {
  const random = seededRandom(seed);
  const below = (bound: number) => Math.floor(random() * bound);
  const appended = new Set<string>();
  const acknowledged = new Map<bigint, string>();
  const findings: LogFinding[] = [];
  let files = new FaultFiles(random);
  let done = -1n;
  const stops = 1 + below(6);

  async function append(log: EmbeddedEventLog, number: number): Promise<void> {
    const data = Array.from(
      { length: 1 + below(3) },
      (_, index) => `${seed}.${number}.${index} ${'é'.repeat(below(900))}`,
    );
    for (const datum of data) appended.add(datum);
    try {
      const positions = await log.append(data.map((datum) => ({ partitionKey: '', data: datum })));
      for (const [index, { sequence }] of positions.entries()) acknowledged.set(sequence, data[index] ?? '');
    } catch (thrown) {
      if (!(thrown instanceof ClickstreamError && thrown.retriable)) throw thrown;
    }
  }

  async function run(generation: number): Promise<void> {
    const machine = files;
    const log = await openOn(files, { atLeast: done, progress: new LogProgress(), findings }).catch(
      (thrown: unknown) => {
        // A disk that fails while the log is mended: the server does not start.
        if (thrown instanceof ClickstreamError && thrown.code === 'data_unusable') return undefined;
        throw thrown;
      },
    );
    if (log === undefined) return;
    for (let number = 0; !machine.isDown; number++) {
      const burst = Array.from({ length: 1 + below(4) }, (_, index) =>
        append(log, (generation * 1000 + number) * 10 + index),
      );
      if (random() < 0.7) await Promise.all(burst);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  for (let generation = 0; generation < stops; generation++) {
    if (planted !== undefined) files.faults.planted = planted;
    files.faults.shortWrites = random() < 0.3;
    if (random() < 0.3) files.faults.failing = () => random() < 0.05;
    const down = files.stopAfter(below(60));
    await Promise.race([down, run(generation)]);
    // What is done was acknowledged, for nothing else is read.
    for (const sequence of acknowledged.keys()) if (sequence > done && random() < 0.1) done = sequence;
    files = random() < 0.8 ? files.powerLoss() : files.kill();
  }

  const log = await openOn(files, { atLeast: done, progress: new LogProgress(), findings });
  await append(log, -1);
  await log.close();
  const records = recordsIn(files, findings);
  const bySequence = new Map(records.map(({ sequence, data }) => [sequence, data]));
  return {
    acknowledged: acknowledged.size,
    stops,
    lost: [...acknowledged]
      .filter(([sequence, data]) => bySequence.get(sequence) !== data)
      .map(([sequence]) => sequence),
    alien: records.map(({ data }) => data).filter((data) => !appended.has(data)),
    outOfOrder: records.some(({ sequence }, index) => sequence <= (records[index - 1]?.sequence ?? -1n)),
    findings: findings.filter(({ kind }) => kind !== 'torn_tail_cut'),
  };
}

function recordsIn(
  files: FaultFiles,
  findings: LogFinding[],
): readonly { readonly sequence: bigint; readonly data: string }[] {
  const onFinding = (finding: LogFinding) => findings.push(finding);
  const records = readRecords({ folder: LOG_FOLDER, files, after: -1n, onFinding });
  return [...records].map(({ sequence, data }) => ({ sequence, data: Buffer.from(data).toString() }));
}

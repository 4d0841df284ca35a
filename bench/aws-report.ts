/** What was measured of function environments, as tables. */
import type { ByService, Init } from './aws-environment.ts';
import type { Measured } from './aws-environments.ts';

/** https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html: 1,769 MB are one vCPU, and less is in proportion. */
const VCPU_MB = 1_769;
/** infra/lib/pipeline-function.ts. */
const FUNCTION_MB = 512;

export function coldStartTable(
  functions: readonly { readonly name: string; readonly bytes: number; readonly inits: readonly Init[] }[],
): string {
  const rows = functions.map(({ name, bytes, inits }) => {
    const medianOf = (pick: (init: Init) => number) => median(inits.map(pick)).toFixed(0);
    const times = [medianOf(({ nodeMs }) => nodeMs), medianOf(({ wallMs }) => wallMs), medianOf(({ cpuMs }) => cpuMs)];
    return `| ${[name, (bytes / 1_024).toFixed(0), ...times].join(' | ')} |\n`;
  });
  return `| cold start, median | bundle KB | Node itself ms | init ms | init CPU ms |\n| --- | --- | --- | --- | --- |\n${rows.join('')}`;
}

export function invocationTable(
  functions: Readonly<Record<string, readonly Measured[]>>,
  { events, latencies }: { readonly events?: number; readonly latencies: ByService },
): string {
  const names = Object.keys(functions);
  const all = Object.values(functions);
  const warm = all.map((measured) => measured.slice(measured.length / 2));
  const row = (title: string, cells: readonly (string | number)[]) => `| ${title} | ${cells.join(' | ')} |\n`;
  const meanRow = (title: string, of: readonly (readonly Measured[])[], pick: (one: Measured) => number) =>
    row(
      title,
      of.map((measured) => (measured.length === 0 ? '–' : mean(measured.map(pick)).toFixed(2))),
    );
  const awsMs = (one: Measured) => Math.ceil(lambdaMs(one, latencies));
  const perMillion = (of: readonly Measured[]) => (of.length / (events ?? Number.NaN)) * 1e6;
  const gbSeconds = all.map((of, at) => (perMillion(of) * mean((warm[at] ?? []).map(awsMs)) * FUNCTION_MB) / 1_024_000);
  const shares =
    events === undefined
      ? []
      : [
          row(
            'invocations of a million events',
            all.map((of) => perMillion(of).toFixed(0)),
          ),
          row(
            'GB-seconds of a million events',
            gbSeconds.map((value) => value.toFixed(0)),
          ),
        ];
  return [
    row('', names),
    row(
      '---',
      names.map(() => '---'),
    ),
    row(
      'invocations',
      all.map(({ length }) => length),
    ),
    meanRow(
      'CPU ms, first of an environment',
      all.map((measured) => measured.filter(({ isFirst }) => isFirst)),
      ({ cpuMs }) => cpuMs,
    ),
    meanRow('CPU ms, all', all, ({ cpuMs }) => cpuMs),
    meanRow('CPU ms, second half', warm, ({ cpuMs }) => cpuMs),
    meanRow('wall ms here, second half', warm, ({ wallMs }) => wallMs),
    row(
      'memory MB, at most',
      all.map((measured) => Math.max(...measured.map(({ memoryMb }) => memoryMb)).toFixed(0)),
    ),
    ...Object.keys(latencies).flatMap((service) => [
      meanRow(`calls of ${service}`, all, ({ calls }) => calls[service] ?? 0),
      meanRow('of them one after another', all, ({ rounds }) => rounds[service] ?? 0),
    ]),
    meanRow(`ms computed for ${FUNCTION_MB} MB on AWS, second half`, warm, awsMs),
    ...shares,
  ].join('');
}

/** All processor time at the share that this much memory has, and all rounds, one after the other: in truth some of it overlaps. */
function lambdaMs({ cpuMs, rounds }: Measured, latencies: ByService): number {
  const waiting = Object.entries(rounds).map(([service, count = 0]) => count * (latencies[service] ?? 0));
  return waiting.reduce((sum, ms) => sum + ms, (cpuMs * VCPU_MB) / FUNCTION_MB);
}

function mean(of: readonly number[]): number {
  return of.reduce((sum, value) => sum + value, 0) / Math.max(1, of.length);
}

function median(of: readonly number[]): number {
  return [...of].sort((a, b) => a - b)[Math.floor(of.length / 2)] ?? 0;
}

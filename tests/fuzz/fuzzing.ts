import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type fc from 'fast-check';

/** How long, and from which seed; a failure names its seed and path, which play it alone. */
export interface Fuzzing {
  readonly runs: number;
  readonly seed: number;
  readonly path?: string | undefined;
}

/** One case may take so long: far more than any needs, for a machine may be busy, and far less than what hangs. */
export const CASE_MS_MAX = 10_000;

export function parametersOf({ runs, seed, path }: Fuzzing): fc.Parameters<unknown> {
  return { numRuns: runs, seed, ...(path !== undefined && { path }) };
}

/** Throws when the work took longer than one case may. */
export function timed<Result>(work: () => Result): Result {
  const startMs = performance.now();
  const result = work();
  assertQuick(startMs);
  return result;
}

export function assertQuick(startMs: number): void {
  const ms = performance.now() - startMs;
  if (ms > CASE_MS_MAX) throw new Error(`it took ${Math.round(ms)} ms`);
}

/** Throws when memory in use after the work is much more than what half of it left: what each case leaves adds up. */
export class MemoryGuard {
  readonly #bytesMax: number;
  readonly #halfAt: number;
  #cases = 0;
  #halfBytes: number | undefined;

  constructor({ cases, bytesMax }: { readonly cases: number; readonly bytesMax: number }) {
    this.#halfAt = Math.floor(cases / 2);
    this.#bytesMax = bytesMax;
  }

  count(): void {
    this.#cases += 1;
    if (this.#cases === this.#halfAt) this.#halfBytes = heapInUse();
  }

  check(): void {
    const grown = heapInUse() - (this.#halfBytes ?? heapInUse());
    if (grown > this.#bytesMax) throw new Error(`${grown} bytes more are in use after ${this.#cases} cases`);
  }
}

setFlagsFromString('--expose_gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heapInUse(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ClickstreamError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { readJson } from '../../core/read-json.ts';
import { type Salts, saltDays } from '../../core/salts.ts';
import type { Clock } from '../../core/time.ts';

export interface SaltFileOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Told why the file cannot be written, once as long as it is the same. */
  readonly report: (fault: unknown) => void;
}

/** The file of the data folder with the salts of today and yesterday, for its user alone. */
export class SaltFile implements Salts {
  readonly #options: SaltFileOptions;
  /** What the file holds, by day. */
  #salts: ReadonlyMap<string, Buffer>;
  #fault: string | undefined;

  /** Reads the file where there is one, and forgets what is old. Throws `data_unusable`. */
  constructor(options: SaltFileOptions) {
    this.#options = options;
    const { path } = options;
    try {
      // Of a write that was cut off.
      rmSync(newOf(path), { force: true });
      this.#salts = readSalts(path);
    } catch (cause) {
      const detail = `the salts of ${path}: ${String(cause)}; without the file others are made, and visitors without cookies count anew`;
      throw new ClickstreamError('data_unusable', detail, { cause });
    }
    this.forgetOld();
  }

  async of(day: string): Promise<Uint8Array> {
    const { today, yesterday } = saltDays(this.#options.clock());
    if (day !== today && day !== yesterday) throw new ClickstreamError('salt_unavailable');
    const known = this.#salts.get(day);
    if (known !== undefined) return known;
    const made = randomBytes(LIMITS.saltBytes);
    // Senders are not told what the system says: it names the folder.
    if (!this.#keep(new Map([...this.#salts, [day, made]]))) throw new ClickstreamError('salt_unavailable');
    return made;
  }

  /** Takes salts of before yesterday, and of after tomorrow, out of the file; to be called now and then. */
  forgetOld(): void {
    if (this.#current(this.#salts).size < this.#salts.size) this.#keep(this.#salts);
  }

  #current(salts: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Buffer> {
    const { yesterday, tomorrow } = saltDays(this.#options.clock());
    return new Map([...salts].filter(([day]) => yesterday <= day && day <= tomorrow));
  }

  /** Whether the file has these from now on, but for those that are old. */
  #keep(salts: ReadonlyMap<string, Buffer>): boolean {
    const { path, report } = this.#options;
    const kept = this.#current(salts);
    try {
      writeSalts(path, kept);
    } catch (fault) {
      if (this.#fault !== String(fault)) report(fault);
      this.#fault = String(fault);
      return false;
    }
    this.#salts = kept;
    this.#fault = undefined;
    return true;
  }
}

function newOf(path: string): string {
  return `${path}.new`;
}

/** Durable once it returns: an event must not be acknowledged whose id a crash would change. */
function writeSalts(path: string, salts: ReadonlyMap<string, Buffer>): void {
  if (salts.size === 0) {
    rmSync(path, { force: true });
  } else {
    const texts = [...salts].map(([day, salt]) => [day, salt.toString('base64url')] as const);
    const text = `${JSON.stringify({ salts: Object.fromEntries(texts) })}\n`;
    writeFileSync(newOf(path), text, { mode: 0o600, flush: true });
    renameSync(newOf(path), path);
  }
  // Windows cannot open a folder, and journals names by itself.
  if (process.platform === 'win32') return;
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function readSalts(path: string): ReadonlyMap<string, Buffer> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw cause;
  }
  const { salts } = readJson(text) as { readonly salts?: unknown };
  if (!isObject(salts)) throw new Error('it holds no salts');
  return new Map(
    Object.entries(salts).map(([day, encoded]) => {
      const salt = Buffer.from(String(encoded), 'base64url');
      if (salt.length !== LIMITS.saltBytes) throw new Error(`the salt of ${day} is none`);
      return [day, salt];
    }),
  );
}

import { closeSync, existsSync, fstatSync, openSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Random } from '../load/random.ts';

/** What a server tells of the files that it writes, in this order as seen by it. */
export type DiskMessage =
  | { readonly kind: 'created'; readonly path: string }
  /** Before it is written: what stood there, in base64; zeros where it is absent, and nothing beyond its end. */
  | {
      readonly kind: 'write';
      readonly id: number;
      readonly path: string;
      readonly position: number;
      readonly length: number;
      readonly before?: string;
    }
  /** The system says that this write is on the device. */
  | { readonly kind: 'durable'; readonly path: string; readonly id: number }
  /** The system says so of all writes to this file up to that id; of a folder: of the names in it. */
  | { readonly kind: 'synced'; readonly path: string; readonly through: number }
  | { readonly kind: 'unlinked'; readonly path: string };

interface Write {
  readonly position: number;
  readonly length: number;
  readonly before: Buffer | undefined;
}

/** A disk writes a sector whole or not at all. */
const SECTOR_BYTES = 512;

/** What a loss of power took. */
export interface Taken {
  readonly sectors: number;
  readonly files: number;
}

/**
 * What of the log is on the device, as far as the system promised it, over many lives of a server. `losePower` takes back any
 * part of the rest: each sector of what was written and never said to be durable, and names of files that were
 * never synced. A file that was cut short or deleted stays so: the one of two that costs more.
 */
export class Disk {
  readonly #random: Random;
  /** By file, those that are not known to be durable, the earliest first. */
  readonly #writes = new Map<string, Map<string, Write>>();
  readonly #names = new Set<string>();
  #life = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A new process numbers its writes anew. */
  beginLife(): void {
    this.#life += 1;
  }

  hear(message: DiskMessage): void {
    const { path } = message;
    switch (message.kind) {
      case 'created':
        this.#names.add(path);
        break;
      case 'write': {
        const { id, position, length, before } = message;
        const writes = this.#writes.get(path) ?? new Map<string, Write>();
        writes.set(this.#key(id), {
          position,
          length,
          before: before === undefined ? undefined : Buffer.from(before, 'base64'),
        });
        this.#writes.set(path, writes);
        break;
      }
      case 'durable':
        this.#writes.get(path)?.delete(this.#key(message.id));
        break;
      case 'synced':
        this.#synced(message);
        break;
      case 'unlinked':
        this.#writes.delete(path);
        this.#names.delete(path);
        break;
    }
  }

  /** To be called while no process has the files open. */
  losePower(): Taken {
    const names = [...this.#names].filter((path) => existsSync(path) && this.#random.chance(0.5));
    for (const path of names) rmSync(path);
    // Often all goes, for a disk may keep everything in its cache.
    const kept = this.#random.chance(0.4) ? 0 : this.#random.fraction();
    let sectors = 0;
    for (const [path, writes] of this.#writes)
      if (existsSync(path)) sectors += this.#takeBack(path, { writes: [...writes.values()], kept });
    this.#writes.clear();
    this.#names.clear();
    return { sectors, files: names.length };
  }

  #key(id: number): string {
    return `${this.#life}/${id}`;
  }

  #synced({ path, through }: Extract<DiskMessage, { kind: 'synced' }>): void {
    const writes = this.#writes.get(path) ?? new Map<string, Write>();
    for (const key of writes.keys()) {
      const [life, id] = key.split('/').map(Number);
      if (life !== this.#life || (id ?? 0) <= through) writes.delete(key);
    }
    for (const name of this.#names) if (dirname(name) === path) this.#names.delete(name);
  }

  /** The latest first, so that what stood before the first of two comes out last. */
  #takeBack(path: string, { writes, kept }: { readonly writes: readonly Write[]; readonly kept: number }): number {
    const descriptor = openSync(path, 'r+');
    try {
      const { size } = fstatSync(descriptor);
      let sectors = 0;
      for (const { position, length, before = Buffer.alloc(length) } of writes.toReversed()) {
        const stood = Buffer.concat([before, Buffer.alloc(length - before.length)]);
        const end = Math.min(position + length, size);
        for (let at = position; at < end; at = nextSector(at)) {
          if (this.#random.chance(kept)) continue;
          writeSync(descriptor, stood, at - position, Math.min(nextSector(at), end) - at, at);
          sectors += 1;
        }
      }
      return sectors;
    } finally {
      closeSync(descriptor);
    }
  }
}

function nextSector(at: number): number {
  return (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES;
}

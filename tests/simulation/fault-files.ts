import { basename, dirname, join } from 'node:path';
import type { Files, ReadableFile, WritableFile } from '../../src/adapters/embedded/files.ts';

/** In [0, 1), seeded. */
type Random = () => number;

const SECTOR_BYTES = 512;

/** A disk writes a sector whole or not at all. Each unsynced sector can be found, after the crash, as any of these. */
interface Inode {
  live: Buffer;
  durable: Buffer;
  /** By sector, what was written since it was last durable, oldest first. */
  readonly unsynced: Map<number, Buffer[]>;
}

export interface Faults {
  /** Bytes of all files together; beyond it writes fail with ENOSPC, after what still fits. */
  capacityBytes?: number;
  /** Asked at each write and sync with its number, from 0; true: it fails with EIO, and some of it is written. */
  failing?: (operation: number) => boolean;
  /** Writes take only some of what they are given, now and then. */
  shortWrites?: boolean;
  /** Before each step, in which others may go first. */
  turn?: () => Promise<void>;
  /** Faults of a file layer that breaks its promise, planted to see that tests notice. */
  planted?: 'no sync' | 'acknowledged before the sync';
}

class SystemError extends Error {
  readonly code: string;

  constructor(code: string, what: string) {
    super(`${code}: ${what}`);
    this.code = code;
  }
}

/**
 * A file system in memory that can lose power. What is written and not yet durable is kept apart by sectors; so are
 * names that were not synced. `powerLoss` keeps any part of that, `kill` keeps all, and both give the file system that
 * the next start finds; nothing of this one ever completes again.
 */
export class FaultFiles implements Files {
  readonly faults: Faults;
  readonly #random: Random;
  readonly #names: Map<string, Inode>;
  #durableNames: Map<string, Inode>;
  #operations = 0;
  #stepsLeft = Number.POSITIVE_INFINITY;
  #onDown: () => void = () => undefined;
  #isDown = false;

  constructor(random: Random, faults: Faults = {}, names: ReadonlyMap<string, Inode> = new Map()) {
    this.#random = random;
    this.faults = faults;
    this.#names = new Map(names);
    this.#durableNames = new Map(names);
  }

  get isDown(): boolean {
    return this.#isDown;
  }

  /** Of all files together. */
  get bytes(): number {
    return [...this.#names.values()].reduce((sum, { live }) => sum + live.length, 0);
  }

  /** The machine stops in the middle of the operation that is so many steps away. Resolves when it has. */
  stopAfter(steps: number): Promise<void> {
    this.#stepsLeft = steps;
    return new Promise((resolve) => {
      this.#onDown = resolve;
    });
  }

  /** What is there after the power came back. */
  powerLoss(): FaultFiles {
    this.#isDown = true;
    const names = new Map<string, Inode>();
    for (const path of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      const [live, durable] = [this.#names.get(path), this.#durableNames.get(path)];
      const inode = live === durable || this.#random() < 0.5 ? durable : live;
      if (inode !== undefined) names.set(path, this.#survivor(inode));
    }
    return new FaultFiles(this.#random, {}, names);
  }

  /** What is there after the process was killed: all that was written, though not all of it durable. */
  kill(): FaultFiles {
    this.#isDown = true;
    const next = new FaultFiles(this.#random, {}, this.#names);
    next.#durableNames = this.#durableNames;
    return next;
  }

  async makeFolder(): Promise<void> {
    await this.#step();
  }

  list(folder: string): readonly string[] {
    return [...this.#names.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path));
  }

  async create(path: string): Promise<WritableFile> {
    await this.#step();
    if (this.#names.has(path)) throw new SystemError('EEXIST', path);
    const inode: Inode = { live: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: new Map() };
    this.#names.set(path, inode);
    return { write: (data, position) => this.#write(inode, data, position), close: () => this.#step() };
  }

  openToRead(path: string): ReadableFile {
    const inode = this.#inode(path);
    return {
      size: () => inode.live.length,
      read: (into, position) => inode.live.copy(into, 0, position, position + into.length),
      close: () => undefined,
    };
  }

  async cut(path: string, bytes: number): Promise<void> {
    await this.#step();
    const inode = this.#inode(path);
    if (bytes < inode.live.length) {
      inode.live = Buffer.from(inode.live.subarray(0, bytes));
    }
    await this.#step();
    this.#failNowAndThen();
    this.#sync(inode);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step();
    const inode = this.#inode(from);
    this.#names.delete(from);
    this.#names.set(to, inode);
  }

  async unlink(path: string): Promise<void> {
    await this.#step();
    this.#inode(path);
    this.#names.delete(path);
  }

  async syncFolder(folder: string): Promise<void> {
    await this.#step();
    this.#failNowAndThen();
    const durable = new Map([...this.#durableNames].filter(([path]) => dirname(path) !== folder));
    for (const [path, inode] of this.#names) if (dirname(path) === folder) durable.set(path, inode);
    this.#durableNames = durable;
  }

  /** A file's content, for looking at and for damaging it: `damage` changes what is on the disk. */
  damage(path: string, change: (content: Buffer) => Buffer): void {
    const inode = this.#inode(path);
    inode.live = Buffer.from(change(Buffer.from(inode.live)));
    this.#sync(inode);
  }

  /** Paths of a folder's files, in order. */
  paths(folder: string): readonly string[] {
    return this.list(folder)
      .map((name) => join(folder, name))
      .sort();
  }

  async #write(inode: Inode, data: Uint8Array, position: number): Promise<number> {
    let bytes = data.length;
    if (this.faults.shortWrites === true && bytes > 1 && this.#random() < 0.3)
      bytes = 1 + Math.floor(this.#random() * (bytes - 1));
    const room = this.#room(inode);
    if (position + bytes > room) bytes = room - position;
    if (bytes <= 0 && data.length > 0) throw new SystemError('ENOSPC', 'no space left on device');
    const end = Math.max(inode.live.length, position + bytes);
    if (end > inode.live.length) inode.live = Buffer.concat([inode.live, Buffer.alloc(end - inode.live.length)]);
    inode.live.set(data.subarray(0, bytes), position);
    for (let sector = Math.floor(position / SECTOR_BYTES); sector * SECTOR_BYTES < position + bytes; sector++) {
      const versions = inode.unsynced.get(sector) ?? [];
      versions.push(Buffer.from(inode.live.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES)));
      inode.unsynced.set(sector, versions);
    }
    const { planted } = this.faults;
    if (planted === 'no sync') await this.#step();
    else if (planted === 'acknowledged before the sync') this.#syncLater(inode);
    else await this.#syncNow(inode);
    return bytes;
  }

  async #syncNow(inode: Inode): Promise<void> {
    await this.#step();
    this.#failNowAndThen();
    this.#sync(inode);
  }

  #syncLater(inode: Inode): void {
    setImmediate(() => {
      if (!this.#isDown) this.#sync(inode);
    });
  }

  #room(inode: Inode): number {
    const { capacityBytes = Number.POSITIVE_INFINITY } = this.faults;
    let used = 0;
    for (const other of this.#names.values()) if (other !== inode) used += other.live.length;
    return Math.max(inode.live.length, capacityBytes - used);
  }

  #sync(inode: Inode): void {
    inode.durable = Buffer.from(inode.live);
    inode.unsynced.clear();
  }

  #failNowAndThen(): void {
    if (this.faults.failing?.(this.#operations++) === true) throw new SystemError('EIO', 'input/output error');
  }

  /** The machine can stop here; then nothing goes on, ever. */
  #step(): Promise<void> {
    const { turn } = this.faults;
    return turn === undefined ? this.#go() : turn().then(() => this.#go());
  }

  #go(): Promise<void> {
    if (!this.#isDown && this.#stepsLeft-- > 0) return Promise.resolve();
    this.#isDown = true;
    this.#onDown();
    return new Promise(() => undefined);
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw new SystemError('ENOENT', path);
    return inode;
  }

  /** Any unsynced sector may be there or not, in any of its versions; the size may be the old one or the new one. */
  #survivor({ live, durable, unsynced }: Inode): Inode {
    const size = this.#random() < 0.5 ? live.length : durable.length;
    const content = Buffer.alloc(size);
    durable.copy(content);
    for (const [sector, versions] of unsynced) {
      const chosen = versions[Math.floor(this.#random() * (versions.length + 1))];
      chosen?.copy(content, sector * SECTOR_BYTES);
    }
    return { live: content, durable: Buffer.from(content), unsynced: new Map() };
  }
}

import { crc32, createInflateRaw, type InflateRaw } from 'node:zlib';
import { LIMITS } from '../core/limits.ts';

/** A place where compressed bytes cannot be read: how many were passed over, to the next member or the end. */
export interface GzipGap {
  readonly problem: string;
  readonly bytes: number;
}

/**
 * The text of bytes that are gzipped, in any number of members (RFC 1952), or plain when they do not begin as gzip does.
 * Node's own reader of gzip passes over what follows a member without a word, and reads nothing after a broken one; here
 * both are gaps, and it goes on at the next member.
 */
export async function* textOf(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array | GzipGap, void, undefined> {
  const source = new Source(chunks);
  if (!(await source.has(1))) return;
  if (!isMagic(await source.peek(MAGIC_BYTES))) {
    for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) yield chunk;
    return;
  }
  while (await source.has(1)) {
    const { passed } = source;
    const problem = yield* memberOf(source);
    if (problem === undefined) continue;
    // One that was cut short takes the beginning of the next one for its own, before it is seen to be broken.
    source.back(source.passed - passed - 1);
    yield { problem, bytes: await skipToMember(source) };
  }
}

const MAGIC_BYTES = 3;
/** A broken stream is seen to be broken within this, as good as always. */
const BACK_BYTES_MAX = 16 * 1024;
const FIXED_BYTES = 10;
const TRAILER_BYTES = 8;
const RESERVED_FLAGS = 0xe0;
const HEADER_CHECK = 0x02;
const EXTRA = 0x04;
const NAME = 0x08;
const COMMENT = 0x10;

function isMagic(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8;
}

/** Yields a member's text, and returns what is wrong with it. */
async function* memberOf(source: Source): AsyncGenerator<Uint8Array, string | undefined, undefined> {
  if (!isMagic(await source.peek(MAGIC_BYTES))) return 'no gzip where a member should begin';
  const problem = await passHeader(source);
  if (problem !== undefined) return problem;
  const inflate = new Inflate();
  try {
    let checksum = 0;
    let bytes = 0;
    while (!inflate.isDone) {
      const step = await source.peek(LIMITS.archiveStepBytes);
      if (step.length === 0) return 'it ends in the middle of a gzip member';
      const { text, used, fault } = await inflate.take(step);
      source.pass(used);
      for (const part of text) {
        checksum = crc32(part, checksum);
        bytes += part.length;
        yield part;
      }
      if (fault !== undefined) return `the gzip is broken: ${fault}`;
    }
    const trailer = await source.peek(TRAILER_BYTES);
    if (trailer.length < TRAILER_BYTES) return 'it ends in the middle of a gzip member';
    const view = new DataView(trailer.buffer, trailer.byteOffset, TRAILER_BYTES);
    source.pass(TRAILER_BYTES);
    if (view.getUint32(0, true) !== checksum || view.getUint32(4, true) !== bytes % 2 ** 32) {
      return 'the gzip is broken: its checksum differs';
    }
    return undefined;
  } finally {
    inflate.close();
  }
}

async function passHeader(source: Source): Promise<string | undefined> {
  const fixed = await source.peek(FIXED_BYTES);
  const flags = fixed[3] ?? 0;
  if (fixed.length < FIXED_BYTES || (flags & RESERVED_FLAGS) !== 0) {
    source.pass(1);
    return 'the gzip is broken: its header is none';
  }
  source.pass(FIXED_BYTES);
  if ((flags & EXTRA) !== 0) {
    const [low = 0, high = 0] = await source.peek(2);
    const bytes = 2 + low + 256 * high;
    source.pass((await source.peek(bytes)).length);
  }
  for (const flag of [NAME, COMMENT]) if ((flags & flag) !== 0) await source.passThrough(0);
  if ((flags & HEADER_CHECK) !== 0) source.pass((await source.peek(2)).length);
  return undefined;
}

/** Passes over what is before the next member; how many bytes. */
async function skipToMember(source: Source): Promise<number> {
  let bytes = 0;
  for (;;) {
    const ahead = await source.peek(LIMITS.archiveStepBytes);
    if (ahead.length < MAGIC_BYTES) {
      source.pass(ahead.length);
      return bytes + ahead.length;
    }
    let at = ahead.indexOf(0x1f);
    while (at >= 0 && at <= ahead.length - MAGIC_BYTES && !isMagic(ahead.subarray(at)))
      at = ahead.indexOf(0x1f, at + 1);
    const isFound = at >= 0 && at <= ahead.length - MAGIC_BYTES;
    // The last two bytes may be the beginning of one.
    const passed = isFound ? at : ahead.length - (MAGIC_BYTES - 1);
    source.pass(passed);
    bytes += passed;
    if (isFound) return bytes;
  }
}

/** Chunks as one run of bytes, of which as many are looked at as are needed. */
class Source {
  readonly #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #held: Uint8Array = new Uint8Array();
  /** The last of what was passed. */
  #behind: Uint8Array[] = [];
  #behindBytes = 0;
  /** Bytes so far. */
  passed = 0;

  constructor(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.#chunks = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
  }

  async has(bytes: number): Promise<boolean> {
    while (this.#held.length < bytes) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return false;
      this.#held = this.#held.length === 0 ? value : Buffer.concat([this.#held, value]);
    }
    return true;
  }

  /** So many bytes, or fewer at the end. */
  async peek(bytes: number): Promise<Uint8Array> {
    await this.has(bytes);
    return this.#held.subarray(0, bytes);
  }

  pass(bytes: number): void {
    if (bytes === 0) return;
    const part = this.#held.subarray(0, bytes);
    this.#held = this.#held.subarray(bytes);
    this.#behind.push(part);
    this.#behindBytes += part.length;
    this.passed += part.length;
    for (
      let [first] = this.#behind;
      first !== undefined && this.#behindBytes - first.length >= BACK_BYTES_MAX;
      [first] = this.#behind
    ) {
      this.#behind.shift();
      this.#behindBytes -= first.length;
    }
  }

  /** So many bytes are ahead once more, or as many as are still known. */
  back(bytes: number): void {
    if (bytes <= 0) return;
    const behind = Buffer.concat(this.#behind);
    const again = behind.subarray(Math.max(0, behind.length - Math.min(bytes, BACK_BYTES_MAX)));
    this.#held = Buffer.concat([again, this.#held]);
    this.passed -= again.length;
    this.#behind = [];
    this.#behindBytes = 0;
  }

  /** Everything to this byte, with it. */
  async passThrough(byte: number): Promise<void> {
    while (await this.has(1)) {
      const at = this.#held.indexOf(byte);
      this.pass(at < 0 ? this.#held.length : at + 1);
      if (at >= 0) return;
    }
  }

  /** What is held, or else the next chunk; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    if (!(await this.has(1))) return undefined;
    const chunk = this.#held;
    this.#held = new Uint8Array();
    return chunk;
  }
}

/** Decompresses one deflate stream, a step at a time. */
class Inflate {
  readonly #stream: InflateRaw = createInflateRaw();
  #text: Uint8Array[] = [];
  #fault: string | undefined;
  #isDone = false;
  #tell: () => void = () => undefined;

  constructor() {
    this.#stream.on('data', (part: Uint8Array) => this.#text.push(part));
    this.#stream.on('end', () => {
      this.#isDone = true;
      this.#tell();
    });
    this.#stream.on('error', (error) => {
      this.#fault = error.message;
      this.#tell();
    });
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** `used`: how many bytes of the step belong to the stream. */
  async take(
    step: Uint8Array,
  ): Promise<{ readonly text: readonly Uint8Array[]; readonly used: number; readonly fault: string | undefined }> {
    const before = this.#stream.bytesWritten;
    await new Promise<void>((resolve) => {
      this.#tell = resolve;
      this.#stream.write(step, () => {
        // It ends only once it is given more than it wants; what it then leaves is not its own.
        if (this.#stream.bytesWritten - before === step.length) resolve();
      });
    });
    const text = this.#text;
    this.#text = [];
    return { text, used: this.#stream.bytesWritten - before, fault: this.#fault };
  }

  close(): void {
    this.#stream.destroy();
  }
}

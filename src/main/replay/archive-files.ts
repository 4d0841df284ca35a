import { createReadStream, type Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import { readJson } from '../../core/read-json.ts';
import { type Archived, readArchive } from '../../log/archive.ts';

/** As it is written for standard input. */
const INPUT = '-';

export interface ArchiveFile {
  /** As it is told of. */
  readonly name: string;
  /** On the disk; 0 for standard input, of which nobody knows. */
  readonly bytes: number;
}

/**
 * The files that are named, and those in folders that are named, in the order of their names: the archive's begin with
 * their hour. Throws ClickstreamError `config_invalid`.
 */
export async function archiveFiles(names: readonly string[]): Promise<readonly ArchiveFile[]> {
  const files: ArchiveFile[] = [];
  for (const name of names) {
    if (name === INPUT) {
      files.push({ name, bytes: 0 });
      continue;
    }
    const found = await statOf(name);
    if (!found.isDirectory()) {
      files.push({ name, bytes: found.size });
      continue;
    }
    const within = (await readdir(name, { recursive: true })).sort();
    for (const path of within.map((inner) => join(name, inner))) {
      const inner = await statOf(path);
      if (inner.isFile()) files.push({ name: path, bytes: inner.size });
    }
  }
  return files;
}

async function statOf(name: string): Promise<Stats> {
  try {
    return await stat(name);
  } catch (cause) {
    throw new ClickstreamError('config_invalid', `${name} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** What a file holds, a piece at a time. `progress` is told how many bytes of it were read. Throws when it is aborted. */
export async function* readFile(
  name: string,
  { signal, progress }: { readonly signal: AbortSignal; readonly progress: (bytes: number) => void },
): AsyncGenerator<Archived> {
  const stream: AsyncIterable<Uint8Array> = addAbortSignal(
    signal,
    name === INPUT ? process.stdin : createReadStream(name),
  );
  const limits = { textBytesMax: LIMITS.archiveFileTextBytesMax };
  yield* readArchive(recordsOfLetters(counted(stream, progress)), limits);
}

/** How the document begins that Lambda, and the processor like it, writes of what it cannot process. */
const LETTER_BEGIN = '{"requestContext"';

/**
 * A dead letter holds its records in base64 within JSON; they are given out as an archive would hold them. Anything else passes
 * as it is. https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
 */
async function* recordsOfLetters(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const letter: Uint8Array[] = [];
  let bytes = 0;
  let isLetter: boolean | undefined;
  for await (const chunk of chunks) {
    isLetter ??= Buffer.from(chunk.subarray(0, LETTER_BEGIN.length)).toString('latin1') === LETTER_BEGIN;
    if (!isLetter) {
      yield chunk;
      continue;
    }
    letter.push(chunk);
    bytes += chunk.length;
    if (bytes > LIMITS.deadLetterBytesMax) {
      throw new ClickstreamError('config_invalid', `a dead letter has at most ${LIMITS.deadLetterBytesMax} bytes`);
    }
  }
  if (letter.length > 0) yield* recordsOf(Buffer.concat(letter).toString());
}

function* recordsOf(letter: string): Generator<Uint8Array> {
  let records: readonly { readonly kinesis: { readonly data: string } }[];
  try {
    const { payload } = readJson(letter) as { readonly payload: string };
    records = (readJson(payload) as { readonly Records: typeof records }).Records;
  } catch (cause) {
    const detail = `a dead letter without its records: ${(cause as Error).message}`;
    throw new ClickstreamError('config_invalid', detail, { cause });
  }
  for (const { kinesis } of records) yield Buffer.concat([Buffer.from(kinesis.data, 'base64'), Buffer.from('\n')]);
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  progress: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    progress(chunk.length);
    yield chunk;
  }
}

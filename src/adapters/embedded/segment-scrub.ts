import type { ErasedUntil } from '../../core/erasures.ts';
import { scrubRecord } from '../../log/scrub.ts';
import { type Files, writeWhole } from './files.ts';
import {
  findGroup,
  GROUP_HEADER_BYTES,
  RECORD_PREFIX_BYTES,
  recordAt,
  SEGMENT_HEADER_BYTES,
  sealGroup,
} from './segment.ts';
import { isZero, readAll, withFile } from './segment-chain.ts';

/** A segment's file being written anew; what a crash leaves of one is deleted when the log is opened. */
export const SCRUBBING_SUFFIX = '.scrubbing';

const WRITE_BYTES = 1024 * 1024;

/**
 * Writes a segment that nothing is appended to anew without what is erased; each record keeps its place and its length, so the
 * rest of the chain, and whoever reads the old file, need not know. Returns how many records of each id were overwritten.
 */
export async function scrubSegment(
  files: Files,
  path: string,
  { firstSequence, ids }: { readonly firstSequence: bigint; readonly ids: readonly ErasedUntil[] },
): Promise<readonly number[]> {
  const content = withFile(files, path, readAll);
  const counts = ids.map(() => 0);
  let end = SEGMENT_HEADER_BYTES;
  let next = firstSequence;
  for (;;) {
    const found = findGroup(content, end, { atLeast: next });
    if (found === undefined) break;
    const { offset, group } = found;
    scrubRest(content.subarray(end, offset), { ids, counts });
    end = offset + group.bytes;
    next = group.firstSequence + BigInt(group.count);
    if (scrubGroup(content, { offset, ...group }, { ids, counts })) sealGroup(content.subarray(offset, end));
    // Between groups the requests that came meanwhile are served.
    await new Promise((resolve) => setImmediate(resolve));
  }
  scrubRest(content.subarray(end), { ids, counts });
  if (counts.some((count) => count > 0)) await replace(files, path, content);
  return counts;
}

interface Scrubbing {
  readonly ids: readonly ErasedUntil[];
  readonly counts: number[];
}

/** What is no whole group was never whole, for its write failed, or is damaged: nobody can read it, but for who is in it. */
function scrubRest(rest: Buffer, { ids, counts }: Scrubbing): void {
  if (isZero(rest)) return;
  const of = [...ids.entries()].filter(([, { visitor }]) => {
    return rest.includes(visitor) || rest.includes(JSON.stringify(visitor).slice(1, -1));
  });
  for (const [place] of of) counts[place] = (counts[place] ?? 0) + 1;
  if (of.length > 0) rest.fill(0);
}

function scrubGroup(
  content: Buffer,
  group: { readonly offset: number; readonly firstSequence: bigint; readonly count: number },
  { ids, counts }: Scrubbing,
): boolean {
  let place = group.offset + GROUP_HEADER_BYTES;
  let isChanged = false;
  for (let index = 0; index < group.count; index += 1) {
    const { data } = recordAt(content, place, group.firstSequence + BigInt(index));
    place += RECORD_PREFIX_BYTES;
    const scrubbed = scrubRecord(data, ids);
    if (scrubbed !== undefined) {
      scrubbed.data.copy(content, place);
      for (const of of scrubbed.of) counts[of] = (counts[of] ?? 0) + 1;
      isChanged = true;
    }
    place += data.length;
  }
  return isChanged;
}

async function replace(files: Files, path: string, content: Buffer): Promise<void> {
  const temporary = `${path}${SCRUBBING_SUFFIX}`;
  const file = await files.create(temporary);
  try {
    for (let position = 0; position < content.length; position += WRITE_BYTES) {
      await writeWhole(file, content.subarray(position, position + WRITE_BYTES), position);
    }
  } catch (thrown) {
    await file.close().finally(() => files.unlink(temporary));
    throw thrown;
  }
  await file.close();
  await files.rename(temporary, path);
}

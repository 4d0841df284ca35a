import type { ErasedId } from '../core/erasures.ts';
import { idsIn } from '../core/ids-in.ts';
import { isObject } from '../core/json.ts';
import { readJson } from '../core/read-json.ts';
import { decodeHeader, encodeRecord, type RecordHeader } from './record.ts';

/**
 * The record with nothing in it of who was erased, as long as it was, and how many of the ids it was of (by their places in the
 * list); undefined when it is of none of them, or cannot be read. What the ledger goes by stays: should it be processed once
 * more, from a store that was put back, its events count as forgotten.
 */
export function scrubRecord(
  data: Uint8Array,
  ids: readonly ErasedId[],
): { readonly data: Buffer; readonly of: readonly number[] } | undefined {
  let header: RecordHeader;
  try {
    header = decodeHeader(data);
  } catch {
    return undefined;
  }
  if (header.kind === 'erased') return undefined;
  const own = personsIn(data, header);
  const of = [...ids.entries()].flatMap(([place, { source, visitor }]) =>
    source === header.source && own.has(visitor) ? [place] : [],
  );
  return of.length === 0 ? undefined : { data: erased(header, data.length), of };
}

function personsIn(data: Uint8Array, header: RecordHeader): ReadonlySet<string> {
  const persons = new Set(header.visitor === '' ? [] : [header.visitor]);
  const lines = Buffer.from(data).toString().split('\n').slice(1);
  for (const line of lines) {
    const item = parsed(line);
    if (!isObject(item)) continue;
    if (typeof item.userId === 'string') persons.add(item.userId);
    if (typeof item.raw === 'string') for (const id of idsIn(item.raw)) persons.add(id);
  }
  return persons;
}

/** Blanks after the header make up for what is gone: JSON does not mind them. */
function erased(header: RecordHeader, bytes: number): Buffer {
  const text = encodeRecord({ ...header, kind: 'erased', visitor: '' }, []);
  const marker = Buffer.alloc(bytes, ' ');
  if (marker.write(text.slice(0, -1)) !== Buffer.byteLength(text) - 1) {
    throw new Error(`a record of ${bytes} bytes has no room for what must stay of it`);
  }
  marker[bytes - 1] = LINE_FEED;
  return marker;
}

const LINE_FEED = 10;

function parsed(line: string): unknown {
  try {
    return readJson(line);
  } catch {
    return undefined;
  }
}

import type { ErasedUntil } from '../core/erasures.ts';
import {
  decodeHeader,
  earliestIn,
  encodeRecord,
  personsIn,
  RecordError,
  type RecordHeader,
  textsIn,
} from './record.ts';

/**
 * The record with nothing in it of who was erased, where anything of it happened up to then: as long as it was, and how many of the ids it was of (by their places in the
 * list); undefined when it is of none of them. What the ledger goes by stays: should it be processed once more, from a store that
 * was put back, its events count as forgotten. Of what has no header nothing stays, and an id counts in every source.
 */
export function scrubRecord(
  data: Uint8Array,
  ids: readonly ErasedUntil[],
): { readonly data: Buffer; readonly of: readonly number[] } | undefined {
  const header = headerOf(data);
  if (header?.kind === 'erased') return undefined;
  const own = new Set(header === undefined ? textsIn(data) : personsIn(data, header));
  const earliest = header === undefined ? '' : earliestIn(data, header);
  const of = [...ids.entries()].flatMap(([place, { source, visitor, until }]) => {
    const isOf = (header === undefined || source === header.source) && own.has(visitor);
    return isOf && earliest <= until ? [place] : [];
  });
  if (of.length === 0) return undefined;
  return { data: header === undefined ? Buffer.alloc(data.length, ' ') : erased(header, data.length), of };
}

/** Also of a record of which the rest is damaged. */
function headerOf(data: Uint8Array): RecordHeader | undefined {
  try {
    return decodeHeader(data);
  } catch (thrown) {
    return thrown instanceof RecordError ? thrown.header : undefined;
  }
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

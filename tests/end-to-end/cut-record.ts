/** A log on this disk, looked into and damaged by hand while its server is stopped. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFiles } from '../../src/adapters/embedded/files.ts';
import { readRecords } from '../../src/adapters/embedded/log-reader.ts';
import { decodeRecord, type RecordHeader } from '../../src/log/record.ts';

export function records(data: string) {
  return [...readRecords({ folder: join(data, 'log'), files: nodeFiles, after: -1n, onFinding: () => undefined })];
}

export function segmentOf(data: string): string {
  const [first] = segmentsOf(data);
  return first ?? '';
}

function segmentsOf(data: string): readonly string[] {
  return readdirSync(join(data, 'log'))
    .sort()
    .map((name) => join(data, 'log', name));
}

/** Takes the bytes of one record, with the group it is in, out of the file of the segment that has it. */
export function cutRecord(
  data: string,
  index: number,
): { readonly sequence: bigint; readonly header: RecordHeader; readonly eventId: string } {
  const all = records(data);
  const record = all[index];
  if (record === undefined) throw new Error(`there is no record ${index}`);
  const path = segmentsOf(data).find((segment) => readFileSync(segment).indexOf(record.data) >= 0);
  if (path === undefined) throw new Error(`record ${index} is in no segment as it was read`);
  const content = readFileSync(path);
  const at = content.indexOf(record.data);
  // A group begins with these four bytes, which no UTF-8 text holds.
  const magic = Buffer.from([0xff, 0xc1, 0xfe, 0xc0]);
  const start = content.lastIndexOf(magic, at);
  const next = content.indexOf(magic, at);
  const end = next < 0 ? at + record.data.length : next;
  writeFileSync(path, Buffer.concat([content.subarray(0, start), content.subarray(end)]));
  const { header, lines } = decodeRecord(record.data);
  const { eventId } = JSON.parse(lines[0] ?? '') as { readonly eventId: string };
  return { sequence: record.sequence, header, eventId };
}

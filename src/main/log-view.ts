import { EMBEDDED_LANE } from '../adapters/embedded/event-log.ts';
import { describeFinding, type LogFinding } from '../adapters/embedded/log-finding.ts';
import { type LogReaderOptions, readRecords } from '../adapters/embedded/log-reader.ts';
import { LIMITS } from '../core/limits.ts';
import { decodeRecord } from '../log/record.ts';
import { hourOf } from '../pipeline.ts';
import type { LogView, PendingRecord } from '../query/ledger-reading.ts';
import type { EventReader } from '../store/event-store.ts';

/** By place: one piece of damage is found at the start, by the processor and by each audit before it is passed. */
export type Findings = Map<string, LogFinding>;

export function placeOf(finding: LogFinding): string {
  const file = 'file' in finding ? finding.file : '';
  return `${finding.kind} ${file} ${'after' in finding ? finding.after : ''}`;
}

/**
 * What the log holds beyond what is processed, and what is wrong with it. Where so much waits that listing it would hold up every other
 * question, as after an old store was restored under its log, only that it waits is said.
 */
export async function viewLog(
  {
    folder,
    progress,
    found,
    reader,
  }: {
    readonly folder: string;
    readonly progress: LogReaderOptions['progress'] & { readonly durableSequence: bigint };
    readonly found: Findings;
    readonly reader: EventReader;
  },
  { recordsMax = LIMITS.auditPendingRecordsMax }: { readonly recordsMax?: number } = {},
): Promise<LogView> {
  const lanes = await reader.snapshot((reads) => reads.lanes());
  const findings = new Map(found);
  const after = lanes.get(EMBEDDED_LANE)?.done ?? -1n;
  if (progress.durableSequence - after > recordsMax) {
    return { lanes: new Map([[EMBEDDED_LANE, undefined]]), findings: [...findings.values()].map(toldOf) };
  }
  const records: PendingRecord[] = [];
  const onFinding = (finding: LogFinding) => findings.set(placeOf(finding), finding);
  for (const { sequence, data: bytes } of readRecords({ folder, progress, after, onFinding })) {
    records.push({ lane: EMBEDDED_LANE, sequence, ...headerOf(bytes) });
  }
  return { records, findings: [...findings.values()].map(toldOf) };
}

function toldOf(finding: LogFinding): LogView['findings'][number] {
  const told = { kind: finding.kind, detail: describeFinding(finding), lane: EMBEDDED_LANE };
  return 'after' in finding ? { ...told, sequence: finding.after + 1n } : told;
}

/** A record that cannot be read will be a dead one; until then it is pending under no collector's number. */
function headerOf(bytes: Uint8Array): Omit<PendingRecord, 'lane' | 'sequence'> {
  try {
    const { collector, number, count, source, receivedAt, voids, identities } = decodeRecord(bytes).header;
    return { collector, number, count, source, hour: hourOf(receivedAt), voids, identities };
  } catch {
    return { collector: 'unreadable', number: 0, count: 0, source: '', hour: '', voids: [] };
  }
}

import { type MessagePort, workerData } from 'node:worker_threads';
import { type DiskUse, diskUse } from '../adapters/embedded/disk-use.ts';
import { EMBEDDED_LANE } from '../adapters/embedded/event-log.ts';
import { openEventReader } from '../adapters/embedded/event-reader.ts';
import { describeFinding, type LogFinding } from '../adapters/embedded/log-finding.ts';
import { LogProgress } from '../adapters/embedded/log-progress.ts';
import { readRecords } from '../adapters/embedded/log-reader.ts';
import type { RecordPosition } from '../log/event-log.ts';
import { decodeRecord } from '../log/record.ts';
import { answer, hourOf } from '../pipeline.ts';
import { type BadAsked, type BadPiece, readBadPiece } from '../query/bad-replay.ts';
import type { LogView, PendingRecord } from '../query/ledger-reading.ts';
import { type Answer, isDeepAudit, type Question } from '../query/queries.ts';
import type { DeadRecord, EventReader, LaneState } from '../store/event-store.ts';
import { openSchemas, type StepSettings } from './steps.ts';

export interface QueryWorkerData {
  readonly folder: string;
  readonly log: string;
  readonly progress: SharedArrayBuffer;
  /** What opening the log found; what the processor finds later is told. */
  readonly findings: readonly LogFinding[];
  readonly settings: StepSettings;
  readonly port: MessagePort;
}

/** What the main thread tells this worker. */
export type ToQuery =
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question }
  | { readonly kind: 'deadAt'; readonly id: number; readonly place: RecordPosition }
  | { readonly kind: 'badPiece'; readonly id: number; readonly asked: BadAsked }
  | { readonly kind: 'look'; readonly id: number }
  /** The processor has met this in the log, and goes past it. */
  | { readonly kind: 'finding'; readonly finding: LogFinding }
  | { readonly kind: 'stop' };

export type FromQuery = { readonly id: number } & (
  | ({ readonly kind: 'answer' } & Answer)
  | { readonly kind: 'dead'; readonly record: DeadRecord | undefined }
  | { readonly kind: 'badPiece'; readonly piece: BadPiece }
  | { readonly kind: 'look'; readonly look: StoreLook }
  | { readonly kind: 'failed'; readonly detail: string }
);

/** What only store and files tell of how the program runs. */
export interface StoreLook extends DiskUse {
  readonly lanes: ReadonlyMap<string, LaneState>;
}

/** What the log holds beyond what is processed, and what is wrong with it. */
async function viewLog(data: QueryWorkerData, found: Findings, reader: EventReader): Promise<LogView> {
  const lanes = await reader.snapshot((reads) => reads.lanes());
  const findings = new Map(found);
  const records: PendingRecord[] = [];
  const after = lanes.get(EMBEDDED_LANE)?.done ?? -1n;
  const progress = new LogProgress(data.progress);
  const onFinding = (finding: LogFinding) => findings.set(placeOf(finding), finding);
  for (const { sequence, data: bytes } of readRecords({ folder: data.log, progress, after, onFinding })) {
    records.push({ lane: EMBEDDED_LANE, sequence, ...headerOf(bytes) });
  }
  return { records, findings: [...findings.values()].map(toldOf) };
}

/** By place: one piece of damage is found at the start, by the processor and by each audit before it is passed. */
type Findings = Map<string, LogFinding>;

function placeOf(finding: LogFinding): string {
  const file = 'file' in finding ? finding.file : '';
  return `${finding.kind} ${file} ${'after' in finding ? finding.after : ''}`;
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

async function serve(data: QueryWorkerData): Promise<void> {
  const folder = await openSchemas(data.settings);
  const reader = openEventReader({ folder: data.folder });
  // Snapshots of a reader wait for one another, and a deep audit is long.
  const deepReader = openEventReader({ folder: data.folder });
  const { port } = data;
  const found: Findings = new Map(data.findings.map((finding) => [placeOf(finding), finding]));
  const progress = new LogProgress(data.progress);
  const parts = {
    reader,
    clock: Date.now,
    logEnds: () => new Map([[EMBEDDED_LANE, progress.durableSequence]]),
    log: () => viewLog(data, found, reader),
    schemas: () => {
      folder?.refresh();
      return { list: folder?.current.list ?? [], fault: folder?.fault };
    },
    report: (fault: Error) => process.stderr.write(`query: ${fault.stack ?? fault.message}\n`),
  };
  const tell = (message: FromQuery) => port.postMessage(message);
  port.on('message', (message: ToQuery) => {
    switch (message.kind) {
      case 'ask': {
        const { id, question } = message;
        const asked = isDeepAudit(question) ? { ...parts, reader: deepReader } : parts;
        void answer(question, asked).then(({ status, body }) => tell({ kind: 'answer', id, status, body }));
        break;
      }
      case 'deadAt': {
        const { id, place } = message;
        reader
          .snapshot((reads) => reads.deadAt(place))
          .then((record) => tell({ kind: 'dead', id, record }))
          .catch((fault: unknown) => tell({ kind: 'failed', id, detail: String(fault) }));
        break;
      }
      case 'badPiece': {
        const { id, asked } = message;
        readBadPiece(reader, asked)
          .then((piece) => tell({ kind: 'badPiece', id, piece }))
          .catch((fault: unknown) => tell({ kind: 'failed', id, detail: String(fault) }));
        break;
      }
      case 'look': {
        const { id } = message;
        reader
          .snapshot((reads) => reads.lanes())
          .then((lanes) => tell({ kind: 'look', id, look: { lanes, ...diskUse(data) } }))
          .catch((fault: unknown) => tell({ kind: 'failed', id, detail: String(fault) }));
        break;
      }
      case 'finding':
        found.set(placeOf(message.finding), message.finding);
        break;
      case 'stop':
        // This thread alone ends, and with it what is still counted: nobody waits for that any more.
        void reader.close().then(() => process.exit());
        break;
    }
  });
}

await serve(workerData as QueryWorkerData);

import { type MessagePort, workerData } from 'node:worker_threads';
import { type DiskUse, diskUse } from '../adapters/embedded/disk-use.ts';
import { EMBEDDED_LANE } from '../adapters/embedded/event-log.ts';
import { openEventReader } from '../adapters/embedded/event-reader.ts';
import type { LogFinding } from '../adapters/embedded/log-finding.ts';
import { LogProgress } from '../adapters/embedded/log-progress.ts';
import type { RecordPosition } from '../log/event-log.ts';
import { answer } from '../pipeline.ts';
import { type BadAsked, type BadPiece, readBadPiece } from '../query/bad-replay.ts';
import { type Answer, isDeepAudit, type Question } from '../query/queries.ts';
import type { DeadRecord, LaneState } from '../store/event-store.ts';
import { type Findings, placeOf, viewLog } from './log-view.ts';
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
    log: () => viewLog({ folder: data.log, progress, found, reader }),
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

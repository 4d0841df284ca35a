import { type MessagePort, workerData } from 'node:worker_threads';
import { EMBEDDED_LANE } from '../adapters/embedded/event-log.ts';
import { openEventReader } from '../adapters/embedded/event-reader.ts';
import { describeFinding, type LogFinding } from '../adapters/embedded/log-finding.ts';
import { LogProgress } from '../adapters/embedded/log-progress.ts';
import { readRecords } from '../adapters/embedded/log-reader.ts';
import { decodeRecord } from '../log/record.ts';
import { answer } from '../pipeline.ts';
import type { LogView, PendingRecord } from '../query/audit.ts';
import type { Answer, Question } from '../query/queries.ts';
import type { EventReader } from '../store/event-store.ts';

export interface QueryWorkerData {
  readonly folder: string;
  readonly log: string;
  readonly progress: SharedArrayBuffer;
  /** What opening the log found. */
  readonly findings: readonly LogFinding[];
  readonly port: MessagePort;
}

export interface ToQuery {
  readonly id: number;
  /** Undefined asks the worker to stop. */
  readonly question: Question | undefined;
}

export interface FromQuery extends Answer {
  readonly id: number;
}

/** What the log holds beyond what is processed, and what is wrong with it. */
async function viewLog(data: QueryWorkerData, reader: EventReader): Promise<LogView> {
  const lanes = await reader.snapshot((reads) => reads.lanes());
  const findings = [...data.findings];
  const records: PendingRecord[] = [];
  const after = lanes.get(EMBEDDED_LANE)?.done ?? -1n;
  const progress = new LogProgress(data.progress);
  const onFinding = (finding: LogFinding) => findings.push(finding);
  for (const { sequence, data: bytes } of readRecords({ folder: data.log, progress, after, onFinding })) {
    records.push({ lane: EMBEDDED_LANE, sequence, ...headerOf(bytes) });
  }
  return { records, findings: findings.map(toldOf) };
}

function toldOf(finding: LogFinding): LogView['findings'][number] {
  const told = { kind: finding.kind, detail: describeFinding(finding), lane: EMBEDDED_LANE };
  return 'after' in finding ? { ...told, sequence: finding.after + 1n } : told;
}

/** A record that cannot be read will be a dead one; until then it is pending under no collector's number. */
function headerOf(bytes: Uint8Array): Pick<PendingRecord, 'collector' | 'number' | 'count' | 'source'> {
  try {
    return decodeRecord(bytes).header;
  } catch {
    return { collector: 'unreadable', number: 0, count: 0, source: '' };
  }
}

function serve(data: QueryWorkerData): void {
  const reader = openEventReader({ folder: data.folder });
  const { port } = data;
  const parts = {
    reader,
    clock: Date.now,
    log: () => viewLog(data, reader),
    report: (fault: Error) => process.stderr.write(`query: ${fault.stack ?? fault.message}\n`),
  };
  port.on('message', ({ id, question }: ToQuery) => {
    if (question === undefined) {
      void reader.close().then(() => port.close());
      return;
    }
    void answer(question, parts).then(({ status, body }) => {
      port.postMessage({ id, status, body } satisfies FromQuery);
    });
  });
}

serve(workerData as QueryWorkerData);

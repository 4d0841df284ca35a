import { type MessagePort, workerData } from 'node:worker_threads';
import { openEventReader } from '../adapters/embedded/event-reader.ts';
import { LogProgress } from '../adapters/embedded/log-progress.ts';
import { asClickstreamError, problemOf } from '../core/errors.ts';
import { answer, type Question } from '../pipeline.ts';

export interface QueryWorkerData {
  readonly folder: string;
  readonly log: string;
  readonly progress: SharedArrayBuffer;
  readonly port: MessagePort;
}

export interface ToQuery {
  readonly id: number;
  readonly question: Question;
}

export interface FromQuery {
  readonly id: number;
  readonly status: number;
  readonly body: string;
}

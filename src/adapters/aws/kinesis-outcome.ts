import type { PutRecordsResultEntry } from '@aws-sdk/client-kinesis';
import { ClickstreamError } from '../../core/errors.ts';
import type { RecordPosition } from '../../log/event-log.ts';

/** Of one record of a call. */
export type Outcome =
  | { readonly kind: 'acknowledged'; readonly position: RecordPosition }
  | { readonly kind: 'failed'; readonly failure: Failure };

export interface Failure {
  readonly code: 'log_unavailable' | 'overloaded';
  readonly isRetriable: boolean;
  /** AWS's name for it. */
  readonly name: string;
  readonly cause: unknown;
}

const THROTTLES: ReadonlySet<string> = new Set([
  'ProvisionedThroughputExceededException',
  'KMSThrottlingException',
  'LimitExceededException',
  'ThrottlingException',
]);

/** Of one record of a call that was answered. A record without an answer may have been taken or not: it is sent again. */
export function outcomeOf(result: PutRecordsResultEntry | undefined): Outcome {
  const { ShardId: lane, SequenceNumber, ErrorCode: name = 'no answer' } = result ?? {};
  if (lane !== undefined && SequenceNumber !== undefined) {
    return { kind: 'acknowledged', position: { lane, sequence: BigInt(SequenceNumber) } };
  }
  const code = THROTTLES.has(name) ? 'overloaded' : 'log_unavailable';
  return { kind: 'failed', failure: { code, isRetriable: true, name, cause: result } };
}

/** Of a whole call: throttles, faults of the service and of the network pass; what is wrong with the request does not. */
export function failureOf(thrown: unknown): Failure {
  const { name, code, $metadata } = thrown as {
    name?: string;
    code?: unknown;
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  const isThrottle = status === 429 || THROTTLES.has(name ?? '');
  const isOfNetwork = status === undefined && (name === 'TimeoutError' || typeof code === 'string');
  // An answer that cannot be read has the status of a success; what became of the records is not known.
  const isOfService = status !== undefined && (status < 400 || status >= 500);
  return {
    code: isThrottle ? 'overloaded' : 'log_unavailable',
    isRetriable: isThrottle || isOfNetwork || isOfService,
    name: name ?? 'unknown',
    cause: thrown,
  };
}

export function errorOf({ code, name, cause }: Failure, detail: string): ClickstreamError {
  return new ClickstreamError(code, `${detail}: ${name}`, { cause });
}

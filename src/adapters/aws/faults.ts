import { ClickstreamError } from '../../core/errors.ts';

/** What a service says of a request that it could never take: it lies in what was asked, and so in the record. */
const OF_THE_REQUEST: ReadonlySet<string> = new Set([
  'ItemCollectionSizeLimitExceededException',
  'SerializationException',
  'ValidationError',
  'ValidationException',
]);

/**
 * Whether an error lies outside the record that was being processed, so that the same record may pass later: a service
 * that throttles, fails, refuses access or lacks a table, or a network that breaks. Looks through the causes.
 */
export function isOutsideFault(thrown: unknown): boolean {
  for (let fault = thrown; fault instanceof Error; fault = fault.cause) {
    if (OF_THE_REQUEST.has(fault.name)) return false;
    if (fault instanceof ClickstreamError && fault.code !== 'internal') return fault.retriable;
    // Every answer of a service that is an error has this (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
    if ('$metadata' in fault) return true;
    // Of the network: ECONNRESET, ENOTFOUND, and what the SDK names so itself.
    if ('syscall' in fault || NETWORK.has(fault.name)) return true;
  }
  return false;
}

const NETWORK: ReadonlySet<string> = new Set([
  'AbortError',
  'CredentialsProviderError',
  'NetworkingError',
  'TimeoutError',
]);

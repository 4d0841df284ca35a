import type { IncomingHttpHeaders } from 'node:http';
import type { ClickstreamError } from '../core/errors.ts';
import type { Reason } from '../core/event.ts';

/** A request as a protocol sees it: its body whole and decompressed, its source not yet known. */
export interface CollectRequest {
  readonly method: string;
  /** One of the protocol's paths, without a trailing slash. */
  readonly path: string;
  /** What follows the question mark, as it was sent. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Epoch milliseconds by the collector's clock. */
  readonly receivedAt: number;
}

/**
 * An event in the product's fields but with the tracker's values, unchecked: undefined where the tracker sent none. `accept`
 * makes its times canonical, dates and fingerprints it, checks it, and sets it aside if it fails.
 */
export interface Candidate {
  readonly kind: 'candidate';
  readonly eventId: unknown;
  readonly eventType: unknown;
  readonly userId: unknown;
  readonly anonymousId: unknown;
  readonly createdAt: unknown;
  readonly sentAt: unknown;
  readonly properties: unknown;
  readonly context: unknown;
  readonly traits: unknown;
}

/** What cannot even be mapped; it is set aside with this reason. */
export interface Unmappable {
  readonly kind: 'unmappable';
  readonly reason: Reason;
}

export type Mapped = Candidate | Unmappable;

/** The events of one request, in its order. */
export interface MappedRequest {
  readonly kind: 'events';
  readonly writeKey: string | undefined;
  readonly events: readonly Mapped[];
  /** The bytes that an event came as, for when it is set aside. */
  readonly original: (index: number) => string;
}

/** Only a malformed request is rejected; an event that is well-formed on the wire but wrong is mapped, and set aside. */
export interface RejectedRequest {
  readonly kind: 'rejected';
  readonly error: ClickstreamError;
}

/** A whole answer, with what its protocol's clients expect. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** A wire protocol: one file in protocols/, listed in protocols.ts. */
export interface Protocol {
  readonly name: string;
  /** Exact paths; one trailing slash is ignored. */
  readonly paths: readonly string[];
  readonly methods: readonly string[];
  /** Pure. */
  map(request: CollectRequest): MappedRequest | RejectedRequest;
  /** Sent when every event of the request is durable. */
  readonly success: Answer;
  failure(error: ClickstreamError): Answer;
}

import type { IncomingHttpHeaders } from 'node:http';
import type { ClickstreamError } from '../core/errors.ts';
import type { Reason } from '../core/event.ts';

/** A request as a protocol sees it: its body whole and decompressed, its source not yet known. */
export interface CollectRequest {
  readonly method: string;
  /** One that a route of the protocol fits, without a trailing slash. */
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
  /** Sent when every event of the request is durable, with a header that has the receipt; the body may have it too. */
  readonly success: (receipt: string | undefined) => Answer;
}

/** A request that brings no events, such as that for a tracker's settings, and is answered at once. */
export interface AnsweredRequest {
  readonly kind: 'answered';
  /** The key that must be good for the answer to be given; undefined where anyone may have it. */
  readonly writeKey: string | undefined;
  readonly answer: Answer;
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
  /** Headers beyond those that every answer has. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Of what it acknowledges: a header of the answer. */
  readonly receipt?: string | undefined;
}

export const RECEIPT_HEADER = 'Clickstream-Receipt';

export interface Route {
  /** Exact but for one trailing slash, which is ignored; a `*` stands for any one segment. */
  readonly path: string;
  readonly methods: readonly string[];
  /**
   * Who asks. What a browser's event lacks of `context.ip` and `context.userAgent` is taken from its request; the address
   * and user agent of a server would tell nothing of its visitors.
   */
  readonly sender: 'browser' | 'server';
}

/** A wire protocol: one file in protocols/, listed in protocols.ts. */
export interface Protocol {
  readonly name: string;
  readonly routes: readonly Route[];
  /** Pure. */
  map(request: CollectRequest): MappedRequest | AnsweredRequest | RejectedRequest;
  failure(error: ClickstreamError): Answer;
}

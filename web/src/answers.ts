/** What the API answers, as far as the pages read it; docs/api.md and `/openapi.json` are the reference. */

/** An object of which the sender alone knows what is in it. */
export interface Json {
  readonly [name: string]: unknown;
}

export interface StoredEvent {
  readonly eventId: string;
  readonly source: string;
  readonly eventType: string;
  readonly userId?: string;
  readonly anonymousId?: string;
  readonly createdAt: string;
  readonly sentAt?: string;
  readonly receivedAt: string;
  readonly timestamp: string;
  readonly properties: Json;
  readonly context: Json;
  readonly traits: Json;
  readonly visitor: string;
  readonly facts: {
    readonly session: number;
    readonly sessionStart: string;
    readonly first: boolean;
    readonly newVisitor: boolean;
    readonly late: boolean;
    readonly enriched: Json;
  };
  readonly position: Position;
  readonly replayOf?: string;
}

export interface Position {
  readonly lane: string;
  readonly sequence: string;
  readonly index: number;
}

export interface EventPage {
  readonly events: readonly StoredEvent[];
  readonly cursor: string | null;
}

export interface Live {
  readonly time: string;
  readonly totals: {
    readonly stored: number;
    readonly events: number;
    readonly visitors: number;
    readonly bad: number;
  };
  readonly visitorsNow: number;
  readonly minutes: readonly { readonly time: string; readonly value: number }[];
  readonly newest: readonly StoredEvent[];
}

export interface Stats {
  readonly from: string;
  readonly to: string;
  readonly interval: 'minute' | 'hour' | 'day' | 'total';
  readonly rows: readonly StatsRow[];
}

export interface StatsRow {
  readonly time: string;
  readonly value: number;
  readonly key?: string;
}

export interface BadEvent {
  readonly id: string;
  readonly source: string;
  readonly receivedAt: string;
  readonly code: string;
  readonly detail: string;
  readonly eventType: string | null;
  readonly payload: string;
  readonly position: Position;
  readonly replay: {
    readonly at: string;
    readonly edit: string | null;
    readonly position: { readonly lane: string; readonly sequence: string } | null;
  } | null;
  readonly replayOf: string | null;
}

export interface BadPage {
  readonly bad: readonly BadEvent[];
  readonly cursor: string | null;
}

export interface BadReasons {
  readonly reasons: readonly BadReason[];
  readonly kinds: number;
  readonly counted: number;
  readonly complete: boolean;
}

export interface BadReason {
  readonly source: string;
  readonly code: string;
  readonly eventType: string | null;
  readonly detail: string;
  readonly count: number;
  readonly waiting: number;
  readonly first: string;
  readonly last: string;
}

export interface BadReplayed {
  readonly id: string;
  readonly at: string;
  /** SHA-256 of what came in its place; null as it came. */
  readonly edit: string | null;
  readonly position: { readonly lane: string; readonly sequence: string } | null;
  /** False when it was put back before. */
  readonly appended: boolean;
}

export interface BadReplays {
  readonly replayed: number;
  readonly refused: readonly { readonly id: string; readonly code: string; readonly detail: string }[];
  readonly stopped: { readonly code: string; readonly detail: string } | null;
  readonly cursor: string | null;
}

interface Outcomes {
  readonly accepted: number;
  readonly redelivered: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly bad: number;
  readonly dead: number;
  readonly forgotten: number;
  readonly pending: number;
}

export interface Audit extends Outcomes {
  readonly balanced: boolean;
  readonly lost: number;
  readonly unresolved: number;
  readonly unwitnessed: number;
  readonly expired: number;
  readonly erased: number;
  readonly waiting: readonly string[];
  readonly lanes: readonly (Outcomes & { readonly lane: string; readonly done: string })[];
  readonly problemCount: number;
  readonly problems: readonly AuditProblem[];
  readonly notes: readonly AuditProblem[];
}

export interface AuditProblem {
  readonly kind: string;
  readonly detail: string;
  readonly collector?: string;
  readonly number?: number;
  readonly lane?: string;
  readonly sequence?: string;
  readonly eventId?: string;
  readonly source?: string;
  readonly hour?: string;
}

/** What the whole program knows of itself. What a home does not know is null. */
export interface System {
  readonly home: 'one machine' | 'AWS';
  readonly version: string;
  /** Null where no process of it lives on. */
  readonly startedAt: string | null;
  readonly ready: { readonly ready: boolean; readonly reasons: readonly string[] };
  /** From a record's arrival to its commit, of the records of the last so many seconds. */
  readonly freshness: {
    readonly seconds: number;
    readonly records: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
  } | null;
  /** Since `startedAt`. */
  readonly collect: {
    readonly events: number;
    readonly setAside: number;
    /** By HTTP status. */
    readonly requests: Readonly<Record<string, number>>;
    /** By error code. */
    readonly rejected: Readonly<Record<string, number>>;
  } | null;
  readonly log: {
    readonly bytes: number;
    readonly segments: number;
    readonly unprocessedBytes: number;
    readonly writable: boolean;
  } | null;
  readonly store: { readonly bytes: number; readonly writable: boolean } | null;
  readonly disk: { readonly freeBytes: number } | null;
  readonly lanes: readonly { readonly lane: string; readonly done: string; readonly arrivedAt: string | null }[];
}

/** Properties that events of the types had, by JSON type. */
export interface Schemas {
  readonly fault: string | null;
  readonly types: readonly SeenType[];
}

export interface SeenType {
  readonly source: string | null;
  readonly eventType: string;
  readonly events: number;
  readonly versions: readonly number[];
  readonly field: 'properties' | 'traits';
  readonly capped: boolean;
  readonly properties: readonly {
    readonly name: string;
    readonly count: number;
    /** How often it was of each JSON type. */
    readonly types: Readonly<Record<string, number>>;
    readonly inSchema: boolean;
    readonly required: boolean;
  }[];
}

export interface Sources {
  readonly sources: readonly string[];
}

export interface Person {
  readonly visitors: readonly { readonly source: string; readonly visitor: string }[];
  readonly more: boolean;
}

export interface ErasureAsked {
  readonly id: string;
  /** More devices are left than one erasure takes. */
  readonly more: boolean;
}

export interface Erasure {
  readonly id: string;
  readonly state: 'asked' | 'applied' | 'done';
  readonly askedAt: string;
  readonly visitors: number;
  readonly applied: number;
  readonly places: readonly {
    readonly place: string;
    readonly state: 'removed' | 'scheduled' | 'expires' | 'kept';
    readonly removed?: number;
    readonly until?: string;
    readonly detail: string;
  }[];
}

export interface PersonExport {
  readonly lines: readonly Json[];
  readonly cursor: string | null;
}

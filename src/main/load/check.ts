import { setTimeout as sleep } from 'node:timers/promises';
import { isObject, type JsonObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { type ApiClient, type ApiEvent, eventPageOf, strange } from '../commands/client.ts';
import type { Ledger } from './ledger.ts';
import { eventIdOf, runOf } from './visits.ts';

/** How many events something is wrong with, and the first of them. */
export interface Finding {
  readonly count: number;
  /** At most `loadNamedMax` ids. */
  readonly ids: readonly string[];
}

/** What reading all events back from the API showed, against the sender's own ledger. */
export interface CheckResult {
  /** Events of the run that were found, each once. */
  readonly found: number;
  /** Acknowledged and not stored. */
  readonly missing: Finding;
  /** Stored more than once. */
  readonly doubled: Finding;
  /** Stored with another user or type than was sent. */
  readonly altered: Finding;
  /** Stored, though refused or never sent. */
  readonly unexpected: Finding;
}

export const FINDINGS = ['missing', 'doubled', 'altered', 'unexpected'] as const;

export function isClean(check: CheckResult): boolean {
  return FINDINGS.every((name) => check[name].count === 0);
}

/** The time that the events of runs can be dated with by the server, with room for what clocks differ. */
export function windowOf(
  ledgers: readonly Pick<Ledger, 'earliestMs' | 'latestMs'>[],
  client: Pick<ApiClient, 'clockAheadMs'>,
): { readonly from: string; readonly to: string } {
  const room = LIMITS.loadWindowMs + Math.abs(client.clockAheadMs);
  const earliestMs = Math.min(...ledgers.map((ledger) => ledger.earliestMs));
  // An event that was tried again is dated by its last attempt less its age, so up to all the patience later.
  const latestMs =
    Math.max(earliestMs, ...ledgers.map((ledger) => ledger.latestMs)) + LIMITS.loadRetryMsMax + LIMITS.clientMsMax;
  return {
    from: new Date(earliestMs - room).toISOString(),
    to: new Date(latestMs + room).toISOString(),
  };
}

/**
 * Reads all events of the run's time from the API and holds them against the ledger: each acknowledged event must be there
 * exactly once, as it was sent; an unknown one at most once; nothing else. `progress` gets the events found so far.
 */
export async function checkStored(
  client: ApiClient,
  ledger: Ledger,
  progress: (found: number) => void = () => {},
): Promise<CheckResult> {
  const [result] = await checkRuns(client, [ledger], progress);
  return result ?? new Comparison(ledger).result();
}

/** The same for many runs over one server, read once. A result for each, in their order. */
export async function checkRuns(
  client: ApiClient,
  ledgers: readonly Ledger[],
  progress: (found: number) => void = () => {},
): Promise<readonly CheckResult[]> {
  const sent = ledgers.filter(({ size }) => size > 0);
  const comparisons = new Map(sent.map((ledger) => [ledger.run, new Comparison(ledger)] as const));
  // A first answer tells the server's clock.
  await client.get('/api/v1/events', { limit: 1 }, { patienceMs: LIMITS.loadProcessedMsMax });
  if (sent.length > 0) {
    const range = { ...windowOf(sent, client), order: 'asc', limit: LIMITS.pageEventsMax };
    let found = 0;
    let cursor: string | undefined;
    do {
      const body = await client.get('/api/v1/events', { ...range, cursor }, { patienceMs: LIMITS.loadProcessedMsMax });
      const page = eventPageOf(body);
      for (const event of page.events) {
        const comparison = comparisons.get(runOf(event.eventId) ?? '');
        comparison?.add(event);
        if (comparison !== undefined) found += 1;
      }
      progress(found);
      cursor = page.cursor;
    } while (cursor !== undefined);
  }
  return ledgers.map((ledger) => (comparisons.get(ledger.run) ?? new Comparison(ledger)).result());
}

class Comparison {
  readonly #ledger: Ledger;
  readonly #seen: Uint8Array;
  readonly #missing = new FindingList();
  readonly #doubled = new FindingList();
  readonly #altered = new FindingList();
  readonly #unexpected = new FindingList();
  found = 0;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    this.#seen = new Uint8Array(ledger.size);
  }

  add({ eventId, eventType, user }: ApiEvent): void {
    const number = this.#ledger.numberOf(eventId);
    if (number === undefined) return;
    const entry = this.#ledger.entry(number);
    if (entry === undefined || entry.outcome === 'refused') {
      this.#unexpected.add(eventId);
      return;
    }
    const times = this.#seen[number] ?? 0;
    if (times === 0) this.found += 1;
    // Named once, however often it is there.
    if (times === 1) this.#doubled.add(eventId);
    if (times < 2) this.#seen[number] = times + 1;
    if (entry.user !== user || entry.type !== eventType) this.#altered.add(eventId);
  }

  result(): CheckResult {
    for (let number = 0; number < this.#ledger.size; number += 1) {
      if (this.#seen[number] === 0 && this.#ledger.outcomeOf(number) === 'acknowledged') {
        this.#missing.add(eventIdOf(this.#ledger.run, number));
      }
    }
    const { found } = this;
    return {
      found,
      missing: this.#missing.finding,
      doubled: this.#doubled.finding,
      altered: this.#altered.finding,
      unexpected: this.#unexpected.finding,
    };
  }
}

class FindingList {
  readonly #ids: string[] = [];
  #count = 0;

  add(id: string): void {
    this.#count += 1;
    if (this.#ids.length < LIMITS.loadNamedMax) this.#ids.push(id);
  }

  get finding(): Finding {
    return { count: this.#count, ids: this.#ids };
  }
}

/** What `GET /api/v1/audit` says, as far as the command line uses it. */
export interface AuditStatement {
  readonly balanced: boolean;
  readonly counts: { readonly [Name in (typeof AUDIT_COUNTS)[number]]: number };
  /** Lanes in which records wait to be processed. */
  readonly waiting: readonly string[];
  readonly problems: readonly AuditProblem[];
  /** How many there are; the server spells out only the first. */
  readonly problemCount: number;
  /** Worth knowing, and no fault. */
  readonly notes: readonly AuditProblem[];
  /** All that the server said. */
  readonly raw: JsonObject;
}

export interface AuditProblem {
  readonly kind: string;
  /** What is wrong, and where, as far as the server knows. */
  readonly detail: string;
}

const AUDIT_COUNTS = [
  'accepted',
  'redelivered',
  'stored',
  'duplicate',
  'bad',
  'dead',
  'forgotten',
  'pending',
  'lost',
  'unresolved',
  'unwitnessed',
  'expired',
  'erased',
] as const;

/** With `deep`, the server counts the stored events one by one, for as long as that takes. */
export async function readAudit(
  client: Pick<ApiClient, 'get'>,
  { deep, patienceMs = 0 }: { readonly deep: boolean; readonly patienceMs?: number },
): Promise<AuditStatement> {
  // The server gives up first, and says why.
  const answerMsMax = LIMITS.clientMsMax + (deep ? LIMITS.deepAuditMsMax : 0);
  const raw = await client.get('/api/v1/audit', { deep: deep ? 'true' : undefined }, { patienceMs, answerMsMax });
  const { balanced, problems, problemCount, notes, waiting } = raw;
  if (typeof balanced !== 'boolean' || !Array.isArray(problems) || !Array.isArray(waiting)) {
    throw strange('an audit', raw);
  }
  return {
    balanced,
    counts: countsOf(raw),
    waiting: waiting.map(String),
    problems: problems.map(problemOf),
    problemCount: typeof problemCount === 'number' ? problemCount : problems.length,
    notes: Array.isArray(notes) ? notes.map(problemOf) : [],
    raw,
  };
}

function countsOf(raw: JsonObject): AuditStatement['counts'] {
  const count = (name: string) => {
    const value = raw[name];
    if (typeof value !== 'number') throw strange(`an audit with a number "${name}"`, value);
    return value;
  };
  const entries = AUDIT_COUNTS.map((name) => [name, count(name)] as const);
  return Object.fromEntries(entries) as AuditStatement['counts'];
}

const PLACE = ['eventId', 'source', 'collector', 'number', 'lane', 'sequence', 'hour'] as const;

function problemOf(raw: unknown): AuditProblem {
  if (!isObject(raw)) throw strange('a problem of an audit', raw);
  const place = PLACE.filter((name) => raw[name] !== undefined).map((name) => `${name} ${String(raw[name])}`);
  const where = place.length === 0 ? '' : ` (${place.join(', ')})`;
  return { kind: String(raw.kind), detail: String(raw.detail) + where };
}

/** Waits until the server has processed all that it accepted; false when it has not within `loadProcessedMsMax`. */
export async function waitProcessed(client: Pick<ApiClient, 'get'>): Promise<boolean> {
  const end = performance.now() + LIMITS.loadProcessedMsMax;
  for (;;) {
    const { waiting } = await readAudit(client, { deep: false, patienceMs: LIMITS.loadProcessedMsMax });
    if (waiting.length === 0) return true;
    if (performance.now() >= end) return false;
    await sleep(LIMITS.loadProcessedPollMs);
  }
}

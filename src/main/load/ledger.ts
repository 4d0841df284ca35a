import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { ClickstreamError } from '../../core/errors.ts';
import { shown } from '../../core/event.ts';
import { isObject } from '../../core/json.ts';
import { readJson } from '../../core/read-json.ts';
import { eventIdOf, type PlannedEvent } from './visits.ts';

/**
 * What the sender knows of an event. `acknowledged`: a 2xx was seen, so it must be stored once. `refused`: a 4xx was seen
 * and no attempt is in doubt, so it must not be stored. `unknown`: it was sent and no answer seen; it may be stored, once.
 */
export type Outcome = 'acknowledged' | 'refused' | 'unknown';

const SENT = 1;
const DOUBTED = 2;
const REFUSED = 4;
const ACKNOWLEDGED = 8;

export interface LedgerEntry {
  readonly id: string;
  readonly outcome: Outcome;
  /** `userId ?? anonymousId`. */
  readonly user: string;
  readonly type: string;
  readonly createdAtMs: number;
}

/**
 * The sender's own list of what it sent in one run, and of what became of each event as far as it was told. Columns of
 * numbers, 15 bytes an event, for a run may send millions.
 */
export class Ledger {
  readonly run: string;
  #states = new Uint8Array(1_024);
  #users = new Uint32Array(1_024);
  #types = new Uint16Array(1_024);
  #createdAt = new Float64Array(1_024);
  readonly #texts = new Texts();
  /** One past the highest number sent. */
  size = 0;
  /** Of all that was sent; Infinity when nothing was. Epoch milliseconds. */
  earliestMs = Number.POSITIVE_INFINITY;
  latestMs = Number.NEGATIVE_INFINITY;

  constructor(run: string) {
    this.run = run;
  }

  /** To be called before the first byte of the event goes out. Calls for the same number after the first change nothing. */
  sent(event: Pick<PlannedEvent, 'number' | 'who' | 'eventType' | 'createdAtMs'>): void {
    const { number, createdAtMs } = event;
    if (number >= this.#states.length) this.#grow(number + 1);
    if (number >= this.size) this.size = number + 1;
    if (this.#states[number] !== 0) return;
    this.#states[number] = SENT;
    this.#users[number] = this.#texts.numberOf(event.who);
    this.#types[number] = this.#texts.numberOf(event.eventType);
    this.#createdAt[number] = createdAtMs;
    if (createdAtMs < this.earliestMs) this.earliestMs = createdAtMs;
    if (createdAtMs > this.latestMs) this.latestMs = createdAtMs;
  }

  /** What one sending of the event ended with; of several sendings, the one that says more counts. */
  settle(number: number, outcome: Outcome): void {
    const flag = outcome === 'acknowledged' ? ACKNOWLEDGED : outcome === 'refused' ? REFUSED : DOUBTED;
    this.#states[number] = (this.#states[number] ?? 0) | flag;
  }

  /** Undefined when no event of this number was sent. */
  outcomeOf(number: number): Outcome | undefined {
    const state = this.#states[number] ?? 0;
    if (state === 0) return undefined;
    if ((state & ACKNOWLEDGED) !== 0) return 'acknowledged';
    return (state & REFUSED) !== 0 && (state & DOUBTED) === 0 ? 'refused' : 'unknown';
  }

  entry(number: number): LedgerEntry | undefined {
    const outcome = this.outcomeOf(number);
    if (outcome === undefined) return undefined;
    return {
      id: eventIdOf(this.run, number),
      outcome,
      user: this.#texts.textOf(this.#users[number] ?? 0),
      type: this.#texts.textOf(this.#types[number] ?? 0),
      createdAtMs: this.#createdAt[number] ?? 0,
    };
  }

  /** The number in an id of this run; undefined for every other id. */
  numberOf(eventId: string): number | undefined {
    const prefix = eventIdOf(this.run, 0).slice(0, -1);
    if (!eventId.startsWith(prefix)) return undefined;
    const digits = eventId.slice(prefix.length);
    return /^(?:0|[1-9]\d{0,14})$/.test(digits) ? Number(digits) : undefined;
  }

  counts(): { readonly [Name in Outcome]: number } {
    const counts = { acknowledged: 0, refused: 0, unknown: 0 };
    for (let number = 0; number < this.size; number += 1) {
      const outcome = this.outcomeOf(number);
      if (outcome !== undefined) counts[outcome] += 1;
    }
    return counts;
  }

  #grow(least: number): void {
    const length = Math.max(least, this.#states.length * 2);
    this.#states = copied(new Uint8Array(length), this.#states);
    this.#users = copied(new Uint32Array(length), this.#users);
    this.#types = copied(new Uint16Array(length), this.#types);
    this.#createdAt = copied(new Float64Array(length), this.#createdAt);
  }
}

function copied<Column extends { set(from: Column): void }>(to: Column, from: Column): Column {
  to.set(from);
  return to;
}

/** Texts by number, each kept once. */
class Texts {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];

  numberOf(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.#texts.push(text) - 1;
    this.#numbers.set(text, number);
    return number;
  }

  textOf(number: number): string {
    return this.#texts[number] ?? '';
  }
}

const LINES_AT_ONCE = 5_000;

/** Writes a ledger as JSON lines: id, outcome, user, type, createdAt. Throws `config_invalid` when the file cannot be written. */
export async function writeLedger(ledger: Ledger, path: string): Promise<void> {
  try {
    const file = await open(path, 'w');
    try {
      for (let first = 0; first < ledger.size; first += LINES_AT_ONCE) {
        const end = Math.min(first + LINES_AT_ONCE, ledger.size);
        let lines = '';
        for (let number = first; number < end; number += 1) lines += lineOf(ledger.entry(number));
        await file.write(lines);
      }
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new ClickstreamError('config_invalid', `the ledger cannot be written to ${path}: ${String(cause)}`, {
      cause,
    });
  }
}

function lineOf(entry: LedgerEntry | undefined): string {
  if (entry === undefined) return '';
  const { createdAtMs, ...rest } = entry;
  return `${JSON.stringify({ ...rest, createdAt: new Date(createdAtMs).toISOString() })}\n`;
}

/** Reads what `writeLedger` wrote. Throws `config_invalid` with the line that is not of a ledger, or is of another run. */
export async function readLedger(path: string): Promise<Ledger> {
  let ledger: Ledger | undefined;
  let lineNumber = 0;
  try {
    for await (const line of createInterface({ input: createReadStream(path, 'utf8') })) {
      lineNumber += 1;
      const { run, number, outcome, user, type, createdAtMs } = parseLine(line);
      ledger ??= new Ledger(run);
      if (run !== ledger.run) throw new Error(`it is of run ${run}, the lines before are of run ${ledger.run}`);
      ledger.sent({ number, who: user, eventType: type, createdAtMs });
      ledger.settle(number, outcome);
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ClickstreamError('config_invalid', `the ledger ${path} cannot be read, line ${lineNumber}: ${reason}`, {
      cause,
    });
  }
  if (ledger === undefined) throw new ClickstreamError('config_invalid', `the ledger ${path} names no event`);
  return ledger;
}

const OUTCOMES: readonly Outcome[] = ['acknowledged', 'refused', 'unknown'];

function parseLine(line: string) {
  const entry: unknown = readJson(line);
  if (!isObject(entry)) throw new Error(`an entry must be an object, got ${shown(entry)}`);
  const { id, user, type, createdAt } = entry;
  const parts = typeof id === 'string' ? /^load-(.+)-(\d{1,15})$/.exec(id) : null;
  const outcome = OUTCOMES.find((known) => known === entry.outcome);
  const createdAtMs = typeof createdAt === 'string' ? Date.parse(createdAt) : Number.NaN;
  if (parts === null || outcome === undefined || typeof user !== 'string' || typeof type !== 'string') {
    throw new Error(`an entry has id, outcome, user, type and createdAt, got ${shown(entry)}`);
  }
  if (Number.isNaN(createdAtMs)) throw new Error(`createdAt must be a time, got ${shown(createdAt)}`);
  return { run: parts[1] ?? '', number: Number(parts[2]), outcome, user, type, createdAtMs };
}

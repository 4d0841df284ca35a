import { ClickstreamError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { LIMITS } from '../core/limits.ts';
import { decodeReceipt, type Receipt } from '../log/receipt.ts';
import { decodeHeader, RecordError, type RecordHeader } from '../log/record.ts';
import type { BadEvent, DeadRecord, EventPosition, EventReads, LaneState, RecordNote } from '../store/event-store.ts';
import { positionId } from './cursor.ts';
import { endpoint, type QueryParts } from './endpoint.ts';
import { described, integer, text } from './parameters.ts';
import { decodeSealed, isSealed, type LedgerCopy, nothingSealed, type Sealed } from './sealed.ts';
import type { LedgerRows } from './sealing.ts';

const DAY_MS = 86_400_000;
/** How many dead records are looked for at once. */
const LOOKS_AT_ONCE = 50;

export const WAIT = described(
  'Seconds to wait until nothing is pending any more; the answer comes at once when nothing is, or after this time. By default none.',
  integer({ min: 0, max: LIMITS.receiptWaitSecondsMax }),
);

/** `wait` is no matter of a single look: see receipt-wait.ts. */
export const receipt = endpoint({
  path: '/api/v1/receipts/{id}',
  name: 'receipt',
  summary: 'What became of the events that one 2xx acknowledged',
  description: `Each 2xx to a tracker has a receipt in the header \`Clickstream-Receipt\`. It is answered for ${LIMITS.receiptDays} days.`,
  inPath: { id: described('The receipt.', text(LIMITS.receiptCharsMax)) },
  parameters: { wait: WAIT },
  answers: 'Receipt',
  errors: ['receipt_unknown', 'receipt_expired'],
  reply: async ({ reader, parts }, _, { id }) => {
    const given = decodeReceipt(id);
    if (given === undefined) throw new ClickstreamError('receipt_unknown');
    if (parts.clock() - given.receivedAtSeconds * 1_000 > LIMITS.receiptDays * DAY_MS) {
      throw new ClickstreamError('receipt_expired');
    }
    const ends = parts.logEnds?.();
    const found = await reader.snapshot((reads) => outcomesOf(given, { reads, ends, ledger: parts.ledger }));
    return JSON.stringify({ id, ...found });
  },
});

/** A record of a receipt. */
interface Acknowledged {
  readonly lane: string;
  readonly sequence: bigint;
  readonly collector: string;
  readonly number: number;
  readonly events: number;
}

interface Looking {
  readonly reads: EventReads;
  readonly ends: ReturnType<NonNullable<QueryParts['logEnds']>> | undefined;
  readonly ledger: LedgerRows;
}

/** The lanes are read first, so that what they say is done is also seen to be. */
async function outcomesOf(given: Receipt, looking: Looking): Promise<JsonObject> {
  const lanes = await looking.reads.lanes();
  const tally = new Tally();
  const done: Acknowledged[] = [];
  for (const record of recordsOf(given)) {
    if (isPending(record, { lanes, ends: looking.ends })) tally.pending += record.events;
    else done.push(record);
  }
  await addDone(done, { tally, looking, isAnyPending: tally.pending > 0 });
  return {
    state: tally.pending > 0 ? 'pending' : 'done',
    receivedAt: new Date(given.receivedAtSeconds * 1_000).toISOString(),
    events: given.counts.reduce((sum, events) => sum + events, 0),
    ...(await tally.told(looking.reads)),
  };
}

function recordsOf({ collector, number, counts, positions }: Receipt): readonly Acknowledged[] {
  return positions.map((position, index) => ({
    ...position,
    ...{ collector, number: number + index, events: counts[index] ?? 0 },
  }));
}

function isPending(
  { lane, sequence }: Acknowledged,
  { lanes, ends }: { readonly lanes: ReadonlyMap<string, LaneState> } & Pick<Looking, 'ends'>,
): boolean {
  if (sequence <= (lanes.get(lane)?.done ?? -1n)) return false;
  // Beyond the log's end there is nothing to wait for.
  return ends === undefined || sequence <= (ends.get(lane) ?? -1n);
}

/**
 * That a lane is past a record is no proof that it was processed: damage of the log is stepped over. The ledger says which
 * were. It knows single records until they are sealed, and of those that are there is a note where not all was stored.
 */
async function addDone(
  done: readonly Acknowledged[],
  {
    tally,
    looking,
    isAnyPending,
  }: { readonly tally: Tally; readonly looking: Looking; readonly isAnyPending: boolean },
): Promise<void> {
  const { reads } = looking;
  const [first] = done;
  if (first === undefined) return;
  const copies = await copiesOf(done, looking);
  const copyOf = (record: Acknowledged) => copies.get(record.number)?.find((copy) => isOf(copy, record));
  const unlisted = done.filter((record) => copyOf(record) === undefined);
  // After the rows: what was sealed meanwhile is seen in one of the two.
  const sealed = unlisted.length > 0 ? await sealedOf(reads) : nothingSealed();
  const nowhere = new Set(unlisted.filter((record) => !isSealed(sealed, record)));
  const dead = new Map<number, Dead>();
  const maybeDead = done.filter((record) => copyOf(record)?.dead !== 0);
  for (let start = 0; start < maybeDead.length; start += LOOKS_AT_ONCE) {
    const found = await Promise.all(maybeDead.slice(start, start + LOOKS_AT_ONCE).map((place) => reads.deadAt(place)));
    for (const [index, there] of found.entries()) {
      const record = maybeDead[start + index];
      const own = record && there && deadAs(record, there);
      if (own !== undefined) dead.set(own.number, own);
    }
  }
  const isProven = [...dead.values()].some(({ isNamed }) => isNamed);
  const isAllNowhere = !isAnyPending && nowhere.size === done.length && !isProven;
  if (isAllNowhere && !(await isCollectorKnown(first.collector, { looking, sealed }))) {
    throw new ClickstreamError('receipt_unknown');
  }
  const noted = done.filter((record) => !nowhere.has(record) && copyOf(record)?.stored !== record.events);
  const notes = new Map((await reads.notesAt(noted)).map((note) => [placeText(note), note]));
  for (const record of done) {
    const detail = dead.get(record.number)?.detail;
    if (detail !== undefined) tally.addDead(record, detail);
    else if (nowhere.has(record)) tally.addLost(record);
    else tally.addProcessed(record, { copy: copyOf(record), note: notes.get(placeText(record)) });
  }
}

interface Dead {
  readonly number: number;
  readonly detail: string;
  /** Its own header says that it is this record. */
  readonly isNamed: boolean;
}

/** The dead record at its place, unless that is another: the log's tail may have been destroyed, and written anew. */
function deadAs({ collector, number }: Acknowledged, { payload, detail }: DeadRecord): Dead | undefined {
  const header = headerOf(payload);
  if (header === undefined) return { number, detail, isNamed: false };
  return header.collector === collector && header.number === number ? { number, detail, isNamed: true } : undefined;
}

function headerOf(payload: Uint8Array): RecordHeader | undefined {
  try {
    return decodeHeader(payload);
  } catch (thrown) {
    if (thrown instanceof RecordError) return thrown.header;
    throw thrown;
  }
}

/** Of the collector's rows that are not sealed. */
interface Copy extends LedgerCopy {
  readonly lane: string;
}

async function copiesOf(
  done: readonly Acknowledged[],
  { reads, ledger }: Looking,
): Promise<ReadonlyMap<number, readonly Copy[]>> {
  const numbers = done.map(({ number }) => number);
  const { collector = '' } = done[0] ?? {};
  const copies = new Map<number, Copy[]>();
  const rows = await reads.rows({
    view: ledger.name,
    from: ledger.bucketOf({ collector, number: Math.min(...numbers) }),
    to: ledger.bucketOf({ collector, number: Math.max(...numbers) + LIMITS.ledgerBlockNumbers }),
  });
  for (const { key, text } of rows) {
    for (const [number, entries] of ledger.decode(text).entries) {
      const known = copies.get(number) ?? [];
      copies.set(number, known);
      for (const entry of entries) known.push({ ...entry, lane: key.lane });
    }
  }
  return copies;
}

function isOf({ lane, sequence, count }: Copy, record: Acknowledged): boolean {
  return lane === record.lane && sequence === record.sequence && count === record.events;
}

async function sealedOf(reads: EventReads): Promise<Sealed> {
  const stored = await reads.sealed();
  return stored === undefined ? nothingSealed() : decodeSealed(stored.text);
}

/** Whether anything was ever heard of it: if not, the receipt is another installation's. */
async function isCollectorKnown(
  collector: string,
  { looking, sealed }: { readonly looking: Looking; readonly sealed: Sealed },
): Promise<boolean> {
  const { reads, ledger } = looking;
  if (sealed.collectors.has(collector)) return true;
  if ((await reads.witnesses()).some((witness) => witness.collector === collector)) return true;
  // Buckets are the collector, a slash and a number; what comes after the slash is a zero.
  const rows = await reads.rows({ view: ledger.name, from: `${collector}/`, to: `${collector}0` });
  return rows.length > 0;
}

type Outcome = 'duplicate' | 'bad' | 'dead' | 'forgotten' | 'lost';

interface NotStored extends EventPosition {
  readonly outcome: Outcome;
  readonly more: JsonObject;
}

/** Adds up what became of a receipt's events. */
class Tally {
  pending = 0;
  readonly #counts = { stored: 0, duplicate: 0, bad: 0, dead: 0, forgotten: 0, lost: 0 };
  readonly #notStored: NotStored[] = [];

  addDead({ lane, sequence, events }: Acknowledged, detail: string): void {
    this.#counts.dead += events;
    const id = positionId({ lane, sequence, index: 0 });
    this.#notStored.push({ outcome: 'dead', lane, sequence, index: 0, more: { events, id, detail } });
  }

  addLost({ lane, sequence, events }: Acknowledged): void {
    this.#counts.lost += events;
    this.#notStored.push({ outcome: 'lost', lane, sequence, index: 0, more: { events } });
  }

  addProcessed(
    { lane, sequence, events }: Acknowledged,
    { copy, note }: { readonly copy: Copy | undefined; readonly note: RecordNote | undefined },
  ): void {
    const duplicate = copy?.duplicate ?? note?.duplicates.length ?? 0;
    const bad = copy?.bad ?? note?.bad.length ?? 0;
    const forgotten = copy?.forgotten ?? note?.forgotten?.length ?? 0;
    this.#counts.duplicate += duplicate;
    this.#counts.forgotten += forgotten;
    this.#counts.bad += bad;
    this.#counts.stored += events - duplicate - bad - forgotten;
    for (const index of note?.duplicates ?? []) {
      this.#notStored.push({ outcome: 'duplicate', lane, sequence, index, more: { index } });
    }
    for (const index of note?.forgotten ?? []) {
      this.#notStored.push({ outcome: 'forgotten', lane, sequence, index, more: { index } });
    }
    for (const index of note?.bad ?? []) {
      this.#notStored.push({
        outcome: 'bad',
        lane,
        sequence,
        index,
        more: { index, id: positionId({ lane, sequence, index }) },
      });
    }
  }

  /** With the reasons of those that are bad, of which there is one more list. */
  async told(reads: EventReads): Promise<JsonObject> {
    const listed = this.#notStored.slice(0, LIMITS.receiptNotStoredMax);
    const bad = listed.filter(({ outcome }) => outcome === 'bad');
    const reasons = new Map<string, BadEvent>();
    for (let start = 0; start < bad.length; start += LIMITS.badEventsStep) {
      const found = await reads.badAt(bad.slice(start, start + LIMITS.badEventsStep));
      for (const event of found) reasons.set(positionId(event.position), event);
    }
    const reasonOf = (place: EventPosition): JsonObject => {
      const reason = reasons.get(positionId(place));
      return reason === undefined ? {} : { code: reason.code, detail: reason.detail };
    };
    return {
      ...this.#counts,
      pending: this.pending,
      notStored: listed.map(({ outcome, more, ...place }) => ({
        ...{ outcome, lane: place.lane, sequence: place.sequence.toString(), ...more },
        ...(outcome === 'bad' && reasonOf(place)),
      })),
    };
  }
}

function placeText({ lane, sequence }: { readonly lane: string; readonly sequence: bigint }): string {
  return `${lane}\0${sequence}`;
}

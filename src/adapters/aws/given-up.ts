import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LIMITS } from '../../core/limits.ts';
import type { Clock } from '../../core/time.ts';
import type { LaneRecord } from '../../log/event-log.ts';
import type { EventReader, EventReads, RowKey } from '../../store/event-store.ts';
import { atOnce } from './at-once.ts';
import { putDeadItem } from './dead-items.ts';
import { DynamoTable } from './dynamo-client.ts';
import { type GivenUpLetter, type GivenUpLetters, LetterError, type LetterPlace } from './given-up-letters.ts';
import { type NotedRow, noteItem, noteKey } from './given-up-notes.ts';
import type { HalfPut } from './half-put.ts';
import { keyOf, LANE_PK, laneOf, number, sequenceOf, text } from './items.ts';

/** What a record says of itself, which the core reads and an adapter does not. */
export interface RecordReading {
  /**
   * What one that is dead adds to the ledger: a row's place but for its lane, and its text. Undefined when its header cannot
   * be read: then it has no place there.
   */
  readonly ledgerOf: (record: LaneRecord) => NotedRow | undefined;
  /** The sequences that a row of the ledger has entries of. */
  readonly sequencesIn: (row: string) => ReadonlySet<bigint>;
  /** Whether the sealed ledger has counted it; then there is no row that has it. */
  readonly isIn: (sealed: string, lane: string, record: LaneRecord) => boolean;
}

export interface GivenUpOptions {
  readonly client: Pick<DynamoDBClient, 'send'>;
  /** Of states. */
  readonly table: string;
  readonly letters: Pick<GivenUpLetters, 'folders' | 'after' | 'read'>;
  readonly reader: EventReader;
  readonly reading: RecordReading;
  readonly halfPut: Pick<HalfPut, 'isThere' | 'takeBack'>;
  readonly clock: Clock;
  readonly report: (fault: unknown) => void;
}

/** What the reason of such a record begins with. */
const REASON = 'given_up';
/** How long one call begins with further documents, of the function's minute. */
const ADOPT_MS_MAX = 40_000;
/**
 * Keys order by their second alone, and are written by whichever of Lambda's pollers has the shard: documents of the last hour
 * are looked at again each time, which changes nothing, so that one which comes late with an earlier key is not missed.
 */
const LOOK_BACK_MS = 3_600_000;

/**
 * Takes up what Lambda itself gave up, too old or tried too often, of which the processor knows nothing: each record becomes a
 * dead record like those that the processor sets aside, at its own place, and is counted as dead in the ledger under its own
 * number, so that it is listed, shown and put back in the same way.
 *
 * How far documents are taken up is one key a folder, in the table of states: so the documents stay as they are, for whoever
 * followed a notice, and nobody needs a right to change or delete them. Taking one up again changes nothing: two at once do no
 * harm.
 */
export class GivenUp {
  readonly #options: GivenUpOptions;
  readonly #state: DynamoTable;

  constructor(options: GivenUpOptions) {
    this.#options = options;
    this.#state = new DynamoTable(options.client, options.table);
  }

  /** Takes up what is new, for so long; returns how many records became dead. Throws what S3 and DynamoDB throw. */
  async adopt(): Promise<number> {
    const { letters, clock } = this.#options;
    const untilMs = clock() + ADOPT_MS_MAX;
    let adopted = 0;
    for (const folder of await letters.folders()) {
      const mark = { pk: THROUGH_PK, sk: folder };
      const before = (await this.#state.get(mark))?.key?.S;
      let through = before;
      for await (const place of letters.after(folder, before)) {
        if (clock() >= untilMs) break;
        adopted += await this.#adoptLetter(place);
        if (place.atMs < clock() - LOOK_BACK_MS) through = place.key;
      }
      if (through !== undefined && through !== before) {
        await this.#state.set({ pk: text(mark.pk), sk: text(mark.sk), key: text(through) });
      }
    }
    return adopted;
  }

  /** A document that cannot be read is reported each time for an hour, and then passed: it stays in the bucket. */
  async #adoptLetter({ key }: LetterPlace): Promise<number> {
    const { letters, halfPut, report } = this.#options;
    let letter: GivenUpLetter;
    try {
      letter = await letters.read(key);
    } catch (thrown) {
      if (!(thrown instanceof LetterError)) throw thrown;
      report(thrown);
      return 0;
    }
    let waiting = await this.#waitingIn(letter);
    if (await halfPut.isThere(letter.lane, waiting)) {
      await this.#fence(letter.lane);
      // What was processed up to the fence is seen now, and nothing more of these records is after it.
      waiting = await this.#waitingIn(letter);
      await halfPut.takeBack(letter.lane, waiting);
    }
    let adopted = 0;
    await atOnce(waiting, LIMITS.dynamoPutsAtOnce, async (record) => {
      if (await this.#adoptRecord(record, { key, letter })) adopted += 1;
    });
    return adopted;
  }

  /** Without those taken up before, and those that were processed after all: of a batch that is given up, a part may have been. */
  async #waitingIn({ lane, records }: GivenUpLetter): Promise<readonly LaneRecord[]> {
    const notes = await this.#state.getAll(records.map(({ sequence }) => noteKey({ lane, sequence })));
    const noted = new Set(notes.map((item) => sequenceOf(item)));
    const fresh = records.filter(({ sequence }) => !noted.has(sequence));
    if (fresh.length === 0) return fresh;
    const processed = await this.#options.reader.snapshot((reads) => this.#processed(reads, { lane, records: fresh }));
    return fresh.filter(({ sequence }) => !processed.has(sequence));
  }

  async #processed(
    reads: EventReads,
    { lane, records }: { readonly lane: string; readonly records: readonly LaneRecord[] },
  ): Promise<ReadonlySet<bigint>> {
    const places = new Map<string, Omit<RowKey, 'lane'>>();
    for (const record of records) {
      const key = this.#options.reading.ledgerOf(record)?.key;
      if (key !== undefined) places.set(keyOf(key.source, key.bucket), key);
    }
    const processed = new Set<bigint>();
    await atOnce(places.values(), LIMITS.dynamoPutsAtOnce, async ({ view, source, bucket }) => {
      const rows = await reads.rows({ view, source, from: bucket, to: `${bucket}\u0001` });
      for (const row of rows) {
        if (row.key.lane !== lane) continue;
        for (const sequence of this.#options.reading.sequencesIn(row.text)) processed.add(sequence);
      }
    });
    // After the rows, for rows go once this has what was in them.
    const sealed = await reads.sealed();
    for (const record of records) {
      if (sealed !== undefined && this.#options.reading.isIn(sealed.text, lane, record)) processed.add(record.sequence);
    }
    return processed;
  }

  /**
   * A new revision of the lane's item, which otherwise stays as it is: no try that began before can come to its end any more. One
   * that is under way for later records is sent again. A lane that nothing was ever processed of has no item to renew.
   */
  async #fence(lane: string): Promise<void> {
    const item = await this.#state.get({ pk: LANE_PK, sk: lane });
    if (item === undefined) return;
    const { revision } = laneOf(item);
    const { kind } = await this.#state.put(
      { ...item, revision: number(revision + 1) },
      {
        expression: '#revision = :revision',
        names: { '#revision': 'revision' },
        values: { ':revision': number(revision) },
      },
    );
    // Somebody else renewed it.
    if (kind === 'refused') await this.#fence(lane);
  }

  /** First the record, then the note that counts it: what is counted as dead lies there. */
  async #adoptRecord(
    record: LaneRecord,
    { key, letter: { lane, condition } }: { readonly key: string; readonly letter: GivenUpLetter },
  ): Promise<boolean> {
    const { sequence, data: payload } = record;
    const detail = `${REASON}: Lambda gave the record up (${condition}); its document is ${key}`;
    // Always the same parts of a long one, however often it is put.
    const put = await putDeadItem(this.#state, { lane, sequence, detail, payload }, REASON);
    // The processor set it aside itself, and counted it.
    if (put.kind === 'refused' && !put.found?.detail?.S?.startsWith(REASON)) return false;
    await this.#state.put(noteItem({ lane, sequence }, this.#options.reading.ledgerOf(record)));
    return true;
  }
}

const THROUGH_PK = 'given-up-through';

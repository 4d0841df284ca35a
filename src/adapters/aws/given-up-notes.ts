import type { RecordPosition } from '../../log/event-log.ts';
import type { EventReads, Row, RowKey } from '../../store/event-store.ts';
import type { DynamoTable, Key } from './dynamo-client.ts';
import { type Item, keyOf, number, numberOf, partsOf, sequenceText, text, textOf } from './items.ts';

const GIVEN_UP_PK = 'given-up';
/** Of views, the one that counts records, and so the one that notes add to: others need not look for them. */
const LEDGER_VIEW = 'ledger';

/** A row of the ledger but for its lane. */
export interface NotedRow {
  readonly key: Omit<RowKey, 'lane'>;
  readonly text: string;
}

export function noteKey({ lane, sequence }: RecordPosition): Key {
  return { pk: GIVEN_UP_PK, sk: keyOf(lane, sequenceText(sequence)) };
}

/** Counts a record that was taken up as dead, and holds what it adds to the ledger: no lane's batch does. */
export function noteItem(place: RecordPosition, row: NotedRow | undefined): Item {
  const { pk, sk } = noteKey(place);
  return {
    ...{ pk: text(pk), sk: text(sk), sequence: text(sequenceText(place.sequence)) },
    ...(row && {
      view: text(row.key.view),
      version: number(row.key.version),
      source: text(row.key.source),
      bucket: text(row.key.bucket),
      text: text(row.text),
    }),
  };
}

/** The notes of what was taken up, as one snapshot sees them: read once, and only for who asks. */
export class GivenUpReader {
  readonly #state: DynamoTable;
  #notes: Promise<readonly Item[]> | undefined;

  constructor(state: DynamoTable) {
    this.#state = state;
  }

  async lanes(): Promise<readonly string[]> {
    return [...new Set((await this.#all()).map((item) => partsOf(textOf(item, 'sk'))[0] ?? ''))];
  }

  async count(): Promise<number> {
    return (await this.#all()).length;
  }

  /** What each note adds to the ledger, as a row, for readers merge rows. */
  async rows({ view, source, from, to }: Parameters<EventReads['rows']>[0]): Promise<readonly Row[]> {
    if (view !== LEDGER_VIEW) return [];
    return (await this.#all())
      .filter((item) => item.view?.S === view)
      .map(rowOf)
      .filter(({ key }) => (source === undefined || key.source === source) && key.bucket >= from && key.bucket < to);
  }

  async sources(view: string): Promise<readonly string[]> {
    const rows = await this.rows({ view, from: '', to: '\uffff' });
    return rows.map(({ key }) => key.source);
  }

  #all(): Promise<readonly Item[]> {
    this.#notes ??= this.#read();
    return this.#notes;
  }

  async #read(): Promise<readonly Item[]> {
    const notes: Item[] = [];
    for await (const item of this.#state.partition(GIVEN_UP_PK)) notes.push(item);
    return notes;
  }
}

function rowOf(item: Item): Row {
  const [lane = ''] = partsOf(textOf(item, 'sk'));
  const key = {
    view: textOf(item, 'view'),
    version: numberOf(item, 'version'),
    source: textOf(item, 'source'),
    bucket: textOf(item, 'bucket'),
    lane,
  };
  return { key, text: textOf(item, 'text'), isApart: true };
}

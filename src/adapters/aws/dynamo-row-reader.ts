import { inflateRawSync } from 'node:zlib';
import { type ReadVersion, versionsRead } from '../../core/generations.ts';
import type { EventReads, Row, RowKey } from '../../store/event-store.ts';
import type { DynamoTable } from './dynamo-client.ts';
import { resultsOf } from './dynamo-event-lists.ts';
import { finishedIn, type Rebuilds, readRebuilds } from './dynamo-generations.ts';
import { stateOf } from './dynamo-lanes.ts';
import {
  type Item,
  type Journal,
  journalOf,
  journalPk,
  journalSequence,
  keyOf,
  LANE_PK,
  laneOf,
  partsOf,
  REBUILD_LANE,
  rowPk,
  type StoredLane,
  sequenceOf,
  sequenceText,
  textOf,
} from './items.ts';
import { readLarge } from './large-values.ts';

type RowRange = Parameters<EventReads['rows']>[0];

interface LaneJournal extends Journal {
  readonly lane: string;
}

interface ViewVersion {
  readonly view: string;
  readonly version: number;
}

interface StoredRow extends Row {
  readonly sequence: bigint;
}

/**
 * Rows of views, as one snapshot sees them: the lanes at its first look, what their journals then had, and after that the rows,
 * which hold what left a journal meanwhile.
 */
export class DynamoRowReader {
  readonly #table: DynamoTable;
  #lanes: Promise<readonly StoredLane[]> | undefined;
  #journals: Promise<readonly LaneJournal[]> | undefined;
  #rebuilds: Promise<Rebuilds> | undefined;
  /** By view. */
  readonly #ready = new Map<string, Promise<number | undefined>>();
  /** By view and version. */
  readonly #sources = new Map<string, Promise<readonly string[]>>();

  constructor(table: DynamoTable) {
    this.#table = table;
  }

  lanes(): Promise<readonly StoredLane[]> {
    this.#lanes ??= all(this.#table.partition(LANE_PK)).then((items) =>
      items.map(laneOf).filter((lane) => stateOf(lane) !== undefined),
    );
    return this.#lanes;
  }

  async rows(range: RowRange): Promise<readonly Row[]> {
    if (range.from >= range.to) return [];
    const versions = await this.versionsRead(range.view);
    return (await resultsOf(versions, (version) => this.rowsOf(version, range))).flat();
  }

  async rowsOf({ version, isWhole }: ReadVersion, range: RowRange): Promise<readonly Row[]> {
    const { view, from, to } = range;
    this.#journals ??= this.lanes().then((lanes) => this.#journalsOf(lanes));
    const journals = await this.#journals;
    const sources = range.source === undefined ? await this.sourcesOf(view, version) : [range.source];
    const all = (
      await resultsOf(sources, (source) => this.#storedRows({ view, version, source }, { from, to }))
    ).flat();
    const stored = isWhole ? all : all.filter(({ key }) => key.lane !== REBUILD_LANE && !isApartOf(REBUILD_LANE, key));
    const added = journals.flatMap((journal) => addedBy(journal, { view, version, from, to, sources }));
    const held = new Map(stored.map(({ key, sequence }) => [rowName(key), sequence]));
    const isHeld = ({ key, sequence, apart }: AddedRow) =>
      (held.get(rowName(key)) ?? -1n) >= sequence || held.has(rowName({ ...key, lane: apart }));
    const fresh = added.filter((row) => !isHeld(row));
    return [
      ...stored.map(({ key, text, sequence }) => ({ key, text, mark: sequenceText(sequence) })),
      ...fresh.map(({ key, text }) => ({ key, text })),
    ];
  }

  async sources(view: string): Promise<readonly string[]> {
    const versions = await this.versionsRead(view);
    const sources = await resultsOf(versions, ({ version }) => this.sourcesOf(view, version));
    return [...new Set(sources.flat())].sort();
  }

  rebuilds(): Promise<Rebuilds> {
    // After the lanes: what a lane has taken up was asked for before.
    this.#rebuilds ??= this.lanes().then(() => readRebuilds(this.#table));
    return this.#rebuilds;
  }

  async versionsRead(view: string): Promise<readonly ReadVersion[]> {
    const ready = await this.#versionReady(view);
    const rebuilds = await this.rebuilds();
    const [rebuilt] = [...finishedIn(rebuilds, view)].sort((a, b) => b - a);
    return versionsRead({ ready, rebuilt, generation: rebuilds.generations[view] });
  }

  sourcesOf(view: string, version: number): Promise<readonly string[]> {
    const pk = keyOf('sources', view, version);
    return remembered(this.#sources, pk, async () =>
      (await all(this.#table.partition(pk))).map((item) => textOf(item, 'sk')),
    );
  }

  #versionReady(view: string): Promise<number | undefined> {
    return remembered(this.#ready, view, () => this.#findVersion(view));
  }

  /** The newest version that all lanes fold from their beginning, or whose rebuild is finished. */
  async #findVersion(view: string): Promise<number | undefined> {
    const lanes = (await this.lanes()).map(({ state }) => state);
    const rebuilt = finishedIn(await this.rebuilds(), view);
    const folded = lanes.flatMap(({ registry }) => registry[view] ?? []);
    // A lane that has not come to the version yet folds nothing into it; one that is past it has folded it.
    const isWhole = (version: number) =>
      lanes.every(
        ({ registry, cuts }) => (registry[view] ?? -1) >= version && cuts[`${view}@${version}`] === undefined,
      );
    for (let version = Math.max(-1, ...rebuilt, ...folded); version >= 0; version -= 1) {
      if (rebuilt.includes(version)) return version;
      if (!isWhole(version)) continue;
      // One that all lanes are past was there if any of its rows was.
      if (folded.includes(version) || (await this.sourcesOf(view, version)).length > 0) return version;
    }
    return undefined;
  }

  async #journalsOf(lanes: readonly StoredLane[]): Promise<readonly LaneJournal[]> {
    const named = lanes.filter(({ journal }) => journal.length > 0);
    return (await resultsOf(named, (lane) => this.#journalOfLane(lane))).flat();
  }

  /** What is gone was folded into rows meanwhile, and the lane no longer names it; anything else is a fault. */
  async #journalOfLane({ lane, journal }: StoredLane): Promise<readonly LaneJournal[]> {
    const journals = new Map<string, LaneJournal>();
    let cause: unknown;
    for (const item of await this.#table.getAll(journal.map((sk) => ({ pk: journalPk(lane), sk })))) {
      const name = textOf(item, 'sk');
      try {
        const value = inflateRawSync(await readLarge(this.#table, item)).toString();
        journals.set(name, { lane, ...journalOf(journalSequence(name), value) });
      } catch (thrown) {
        cause = thrown;
      }
    }
    const missing = journal.filter((name) => !journals.has(name));
    if (missing.length > 0) {
      const item = await this.#table.get({ pk: LANE_PK, sk: lane });
      const named = item === undefined ? [] : laneOf(item).journal;
      const lost = missing.filter((name) => named.includes(name)).length;
      if (lost > 0) throw new Error(`${lost} items of the journal of lane ${lane} cannot be read`, { cause });
    }
    return [...journals.values()];
  }

  async #storedRows(
    list: Pick<RowKey, 'view' | 'version' | 'source'>,
    range: { readonly from: string; readonly to: string },
  ): Promise<readonly StoredRow[]> {
    const items = await all(this.#table.partition(rowPk(list), range));
    const rows = await Promise.all(items.map((item) => this.#storedRow(list, item)));
    return rows.filter((row) => row !== undefined);
  }

  /** A long row's parts go when it is written anew: then it is read anew. Undefined when it is gone altogether. */
  async #storedRow(list: Pick<RowKey, 'view' | 'version' | 'source'>, item: Item): Promise<StoredRow | undefined> {
    const place = { pk: textOf(item, 'pk'), sk: textOf(item, 'sk') };
    const [bucket = '', lane = ''] = partsOf(place.sk);
    for (let read: Item | undefined = item; read !== undefined; ) {
      const sequence = sequenceOf(read);
      try {
        const text = inflateRawSync(await readLarge(this.#table, read)).toString();
        return { key: { ...list, bucket, lane }, sequence, text };
      } catch (thrown) {
        read = await this.#table.get(place);
        if (read !== undefined && sequenceOf(read) === sequence) throw thrown;
      }
    }
    return undefined;
  }
}

interface AddedRow extends StoredRow {
  /** The lane under which a writer keeps it that does not know how to fold it. */
  readonly apart: string;
}

/** What a lane's journal adds to the rows asked for: each delta as a row, for readers merge rows. */
function addedBy(
  { lane, sequence, deltas, rows }: LaneJournal,
  { view, version, from, to, sources }: ViewVersion & RowRange & { readonly sources: readonly string[] },
): readonly AddedRow[] {
  return rows
    .filter(
      (row) =>
        row.view === view &&
        row.version === version &&
        row.bucket >= from &&
        row.bucket < to &&
        sources.includes(row.source),
    )
    .flatMap(({ source, bucket, deltas: places }) =>
      places.map((place, order) => ({
        key: { view, version, source, bucket, lane },
        sequence,
        text: deltas[place] ?? '',
        apart: `${lane}@${sequence}.${order}`,
      })),
    );
}

/** Whether a row holds what a writer of the lane did not know how to fold. */
function isApartOf(lane: string, key: RowKey): boolean {
  return key.lane.startsWith(`${lane}@`);
}

function rowName({ source, bucket, lane }: RowKey): string {
  return keyOf(source, bucket, lane);
}

function remembered<T>(known: Map<string, Promise<T>>, key: string, find: () => Promise<T>): Promise<T> {
  const found = known.get(key) ?? find();
  known.set(key, found);
  return found;
}

async function all(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

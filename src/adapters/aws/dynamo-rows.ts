import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import type { RowFold } from '../../core/view.ts';
import type { RowKey, RowUpdate } from '../../store/event-store.ts';
import { atOnce } from './at-once.ts';
import type { DynamoTable } from './dynamo-client.ts';
import { isOutsideFault } from './faults.ts';
import {
  type Item,
  type Journal,
  type JournalRow,
  journalOf,
  journalPk,
  journalSequence,
  journalText,
  keyOf,
  rowPk,
  rowSk,
  sequenceOf,
  sequenceText,
  text,
  textOf,
} from './items.ts';
import { partKeys, putLarge, readLarge } from './large-values.ts';

/** A view, or the ledger: what makes rows of the journal's deltas. */
export interface NamedFold extends RowFold {
  readonly name: string;
  readonly version: number;
}

/** What became of a journal: the names of items that could not be read, and what was thrown for them or for rows that stay apart. */
interface Folded {
  readonly unread: readonly string[];
  readonly faults: readonly unknown[];
}

/** What one row is to take in, oldest first: of each batch all its deltas at once. */
interface RowIntake {
  readonly key: RowKey;
  readonly parts: { readonly sequence: bigint; readonly deltas: readonly string[] }[];
}

/**
 * Rows of views on a table. What a batch adds to them is one item, the lane's journal, which counts from the moment that the
 * lane's own item names it; now and then the journal is folded into the rows. A row says up to which sequence it holds
 * everything, so folding again, by whomever, changes nothing (docs/decisions/0016-journal-of-rows.md).
 */
export class DynamoRows {
  readonly #table: DynamoTable;
  readonly #folds: Map<string, RowFold>;
  /** Sources of views that are known to be listed. */
  readonly #listed = new Set<string>();

  constructor(table: DynamoTable, folds: readonly NamedFold[]) {
    this.#table = table;
    this.#folds = new Map(folds.map((fold) => [foldName(fold.name, fold.version), fold]));
  }

  /** So that what another process put into a journal can be folded. */
  know(fold: NamedFold): void {
    this.#folds.set(foldName(fold.name, fold.version), fold);
  }

  /** Puts what a batch adds into the lane's journal, under a name of its own; undefined when it adds nothing. */
  async putJournal(
    updates: readonly RowUpdate[],
    place: { readonly lane: string; readonly sequence: bigint; readonly attempt: string },
  ): Promise<string | undefined> {
    if (updates.length === 0) return undefined;
    for (const { key, row } of updates) this.#folds.set(foldName(key.view, key.version), row);
    await this.#list(updates);
    const key = { pk: journalPk(place.lane), sk: keyOf(sequenceText(place.sequence), place.attempt) };
    const value = deflateRawSync(journalText(journalFrom(place.sequence, updates)));
    const held = await putLarge(this.#table, key, value, place.attempt);
    await this.#table.set({ pk: text(key.pk), sk: text(key.sk), ...held });
    return key.sk;
  }

  /**
   * Folds these items of a lane's journal into its rows. The caller then takes them out of the lane's list, but for those that
   * are `unread`, and calls `drop`. A row that fails by itself, each time, would hold up the whole journal: what came for it stays
   * in rows apart. Throws what may pass: throttles, a service that fails.
   */
  async fold(lane: string, names: readonly string[]): Promise<Folded> {
    const items = await this.#table.getAll(names.map((sk) => ({ pk: journalPk(lane), sk })));
    const journals: Journal[] = [];
    const unread: string[] = [];
    const faults: unknown[] = [];
    await atOnce(items, LIMITS.dynamoPutsAtOnce, async (item) => {
      const name = textOf(item, 'sk');
      try {
        journals.push(journalOf(journalSequence(name), await this.#textOf(item)));
      } catch (thrown) {
        if (isOutsideFault(thrown)) throw thrown;
        unread.push(name);
        faults.push(thrown);
      }
    });
    await atOnce(intakeOf(lane, journals), LIMITS.dynamoPutsAtOnce, async (row) => {
      try {
        await this.#take(row);
      } catch (thrown) {
        if (isOutsideFault(thrown)) throw thrown;
        await this.#keepApart(row);
        faults.push(thrown);
      }
    });
    return { unread, faults };
  }

  async drop(lane: string, names: readonly string[]): Promise<void> {
    const items = await this.#table.getAll(names.map((sk) => ({ pk: journalPk(lane), sk })));
    const keys = items.flatMap((item) => [...partKeys(item), { pk: textOf(item, 'pk'), sk: textOf(item, 'sk') }]);
    await this.#table.deleteAll(keys);
  }

  /** Absorbs into one row what it does not hold yet; read again when another was faster. */
  async #take({ key, parts }: RowIntake): Promise<void> {
    const fold = this.#folds.get(foldName(key.view, key.version));
    if (fold === undefined) {
      await this.#keepApart({ key, parts });
      return;
    }
    const place = { pk: rowPk(key), sk: rowSk(key) };
    for (let tries = 0; tries < LIMITS.dynamoTries; tries += 1) {
      const found = await this.#table.get(place);
      const holds = found === undefined ? -1n : sequenceOf(found);
      const fresh = parts.filter(({ sequence }) => sequence > holds);
      const last = fresh.at(-1);
      if (last === undefined) return;
      let state = found === undefined ? fold.empty() : fold.decode(await this.#textOf(found));
      for (const { deltas } of fresh) {
        state = fold.absorb(
          state,
          deltas.map((delta) => fold.decode(delta)),
          key.bucket,
        );
      }
      const item = await this.#rowItem(place, { value: fold.encode(state), sequence: last.sequence });
      const put = await this.#table.put(item, unchanged(found));
      if (put.kind === 'refused') continue;
      if (found !== undefined) await this.#table.deleteAll(partKeys(found));
      return;
    }
    throw new ClickstreamError('overloaded', `a row of ${key.view} was written by others each time it was read`);
  }

  /** What no fold of this program knows, an older version's, or what fails, stays as it came, in rows of its own: readers merge rows. */
  async #keepApart({ key, parts }: RowIntake): Promise<void> {
    for (const { sequence, deltas } of parts) {
      for (const [place, delta] of deltas.entries()) {
        const sk = rowSk({ bucket: key.bucket, lane: `${key.lane}@${sequence}.${place}` });
        await this.#table.put(await this.#rowItem({ pk: rowPk(key), sk }, { value: delta, sequence }));
      }
    }
  }

  async #rowItem(
    key: { readonly pk: string; readonly sk: string },
    { value, sequence }: { readonly value: string; readonly sequence: bigint },
  ): Promise<Item> {
    const held = await putLarge(this.#table, key, deflateRawSync(value), sequenceText(sequence));
    return { pk: text(key.pk), sk: text(key.sk), sequence: text(sequenceText(sequence)), ...held };
  }

  async #textOf(item: Item): Promise<string> {
    return inflateRawSync(await readLarge(this.#table, item)).toString();
  }

  /** Each source of a view is listed, before the first row of it can be read. */
  async #list(updates: readonly RowUpdate[]): Promise<void> {
    for (const { key } of updates) {
      const item = { pk: keyOf('sources', key.view, key.version), sk: key.source };
      const name = keyOf(item.pk, item.sk);
      if (this.#listed.has(name)) continue;
      await this.#table.set({ pk: text(item.pk), sk: text(item.sk) });
      this.#listed.add(name);
    }
  }
}

/** The condition that a row is still what was read. */
function unchanged(found: Item | undefined) {
  if (found === undefined) return { expression: 'attribute_not_exists(pk)' };
  return {
    expression: '#sequence = :sequence',
    names: { '#sequence': 'sequence' },
    values: { ':sequence': text(textOf(found, 'sequence')) },
  };
}

function foldName(view: string, version: number): string {
  return `${view}@${version}`;
}

/** Each delta once, though several rows share it. */
function journalFrom(sequence: bigint, updates: readonly RowUpdate[]): Journal {
  const places = new Map<unknown, number>();
  const deltas: string[] = [];
  const rows = updates.map(({ key, row, deltas: of }): JournalRow => {
    const own = of.map((delta) => {
      const known = typeof delta === 'object' ? places.get(delta) : undefined;
      if (known !== undefined) return known;
      places.set(delta, deltas.length);
      return deltas.push(row.encode(delta)) - 1;
    });
    const { view, version, source, bucket } = key;
    return { view, version, source, bucket, deltas: own };
  });
  return { sequence, deltas, rows };
}

function intakeOf(lane: string, journals: readonly Journal[]): readonly RowIntake[] {
  const rows = new Map<string, RowIntake>();
  const inOrder = [...journals].sort((a, b) => (a.sequence < b.sequence ? -1 : 1));
  for (const { sequence, deltas, rows: named } of inOrder) {
    for (const { view, version, source, bucket, deltas: places } of named) {
      const key = { view, version, source, bucket, lane };
      const name = keyOf(rowPk(key), rowSk(key));
      const row = rows.get(name) ?? { key, parts: [] };
      row.parts.push({ sequence, deltas: places.map((place) => deltas[place] ?? '') });
      rows.set(name, row);
    }
  }
  return [...rows.values()];
}

import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Clock } from '../../core/time.ts';
import type { View } from '../../core/view.ts';
import { updatesOf } from '../../store/row-updates.ts';
import { type DynamoTable, type Key, keyOfItem } from './dynamo-client.ts';
import { changeLane, lanesIn } from './dynamo-lanes.ts';
import type { DynamoRows } from './dynamo-rows.ts';
import { readHidden } from './hidden-events.ts';
import { type Item, keyOf, number, numberOf, positionOf, REBUILD_PK, rowPk, storedEventOf, text } from './items.ts';
import { partKeys } from './large-values.ts';

/** The lane that rebuilt rows belong to; no lane of a log is called so. */
const REBUILD_LANE = 'rebuild';

/** How far the rebuild of one version of a view is. */
interface Progress {
  /** Pages of the table that were read. */
  readonly step: number;
  /** Where the next page begins; undefined before the first and after the last. */
  readonly after: Item | undefined;
  readonly isScanned: boolean;
  /** The journal item of the last page, while rows may lack it. */
  readonly pending: string | undefined;
  /** When the rows were whole: readers have them from then on. */
  readonly finishedAtMs: number | undefined;
  /** Rows of older versions are gone. */
  readonly isDropped: boolean;
  /** Grows with every write: what a compare-and-set asks for. */
  readonly revision: number;
}

const BEGINNING: Progress = {
  step: 0,
  after: undefined,
  isScanned: false,
  pending: undefined,
  finishedAtMs: undefined,
  isDropped: false,
  revision: 0,
};

export interface DynamoRebuildParts {
  readonly events: DynamoTable;
  readonly state: DynamoTable;
  readonly rows: DynamoRows;
  readonly clock: Clock;
  readonly attempt: () => string;
}

/**
 * Views folded anew out of the stored events, a page of the table at a time. What a page adds to rows is fixed first, as a journal
 * item that the progress names by a compare-and-set, and then folded, as a lane's journal is: so a page counts once, whoever
 * folds it and however often, also when two rebuild at once, and when the table has changed until a page is read again.
 */
export class DynamoRebuild {
  readonly #parts: DynamoRebuildParts;

  constructor(parts: DynamoRebuildParts) {
    this.#parts = parts;
  }

  /** One page, or some rows of older versions. True when nothing is left to do for now. */
  async step(view: View, limit: number): Promise<boolean> {
    const cuts = await this.#takeUp(view);
    if (cuts.size === 0) return true;
    this.#parts.rows.know(view);
    let progress = await this.#foldPending(view, await this.#progressOf(view));
    if (progress?.isScanned === false)
      progress = await this.#foldPending(view, await this.#plan(view, progress, { cuts, limit }));
    // Another one is at it, and was faster.
    if (progress === undefined) return false;
    return progress.finishedAtMs !== undefined && this.#dropOlder(view, progress, limit);
  }

  /** Has every lane fold into this version, and returns the cuts of those that did not from their beginning. */
  async #takeUp(view: View): Promise<ReadonlyMap<string, bigint>> {
    const { state: table } = this.#parts;
    const name = `${view.name}@${view.version}`;
    const cuts = new Map<string, bigint>();
    const lanes = await lanesIn(table);
    if (lanes.some(({ state }) => (state.registry[view.name] ?? 0) > view.version)) return cuts;
    for (const { lane, state } of lanes) {
      const isTaken = state.registry[view.name] === view.version;
      const cut = isTaken ? state.cuts[name] : state.done;
      if (cut === undefined) continue;
      cuts.set(lane, cut);
      if (isTaken) continue;
      await changeLane(table, lane, (stored) => {
        const standing = stored.state.registry[view.name] ?? 0;
        if (standing > view.version)
          throw new ClickstreamError('views_newer', `lane ${lane} has ${view.name}@${standing}`);
        // A batch of the lane, or another rebuild, took it up meanwhile, with a cut of its own.
        if (standing === view.version) {
          cuts.set(lane, stored.state.cuts[name] ?? -1n);
          return undefined;
        }
        cuts.set(lane, stored.state.done);
        const registry = { ...stored.state.registry, [view.name]: view.version };
        const cutsNow = { ...stored.state.cuts, [name]: stored.state.done };
        return { ...stored, state: { ...stored.state, registry, cuts: cutsNow } };
      });
    }
    return cuts;
  }

  async #progressOf(view: View): Promise<Progress> {
    const item = await this.#parts.state.get(keyOfView(view));
    return item === undefined ? BEGINNING : progressIn(item);
  }

  /** Reads a page, and fixes what it adds. Undefined when another one did so first. */
  async #plan(
    view: View,
    progress: Progress,
    { cuts, limit }: { readonly cuts: ReadonlyMap<string, bigint>; readonly limit: number },
  ): Promise<Progress | undefined> {
    const { events: table, state, rows, attempt } = this.#parts;
    const [{ items, after }, hidden] = await Promise.all([
      table.scan({ after: progress.after, limit }),
      readHidden(state, () => lanesIn(state)),
    ]);
    const before = items.filter((item) => {
      const { lane, sequence } = positionOf(item);
      return sequence <= (cuts.get(lane) ?? -1n) && !hidden.hides(item);
    });
    const events = before.map(storedEventOf).sort((a, b) => (a.position.sequence < b.position.sequence ? -1 : 1));
    const step = progress.step + 1;
    const updates = updatesOf(view, events, () => REBUILD_LANE);
    const place = { lane: REBUILD_LANE, sequence: BigInt(step), attempt: attempt() };
    const pending = await rows.putJournal(updates, place);
    const next = { ...progress, step, after, pending, isScanned: after === undefined };
    const put = await this.#put(view, next);
    if (put === undefined && pending !== undefined) await rows.drop(REBUILD_LANE, [pending]);
    return put;
  }

  /** Folds what a page was found to add; done again, by whomever, it changes nothing. */
  async #foldPending(view: View, progress: Progress | undefined): Promise<Progress | undefined> {
    if (progress === undefined || progress.finishedAtMs !== undefined) return progress;
    const { rows, clock } = this.#parts;
    const { pending, isScanned } = progress;
    if (pending !== undefined) {
      const { faults } = await rows.fold(REBUILD_LANE, [pending]);
      if (faults.length > 0) throw new Error(`the rebuild of ${view.name} cannot fold a page`, { cause: faults[0] });
    } else if (!isScanned) return progress;
    const next = { ...progress, pending: undefined, finishedAtMs: isScanned ? clock() : undefined };
    const put = await this.#put(view, next);
    if (put !== undefined && pending !== undefined) await rows.drop(REBUILD_LANE, [pending]);
    return put;
  }

  /** Undefined when it is no longer as it was read. */
  async #put(view: View, becomes: Progress): Promise<Progress | undefined> {
    const next = { ...becomes, revision: becomes.revision + 1 };
    const result = await this.#parts.state.put(
      progressItem(view, next),
      becomes.revision === 0
        ? { expression: 'attribute_not_exists(pk)' }
        : {
            expression: '#revision = :revision',
            names: { '#revision': 'revision' },
            values: { ':revision': number(becomes.revision) },
          },
    );
    if (result.kind === 'put') return next;
    // A put that timed out after it had taken place is refused when it is sent again, for what it wrote itself.
    const found = result.found && progressIn(result.found);
    const isMine = found?.revision === next.revision && next.pending !== undefined && found.pending === next.pending;
    return isMine ? next : undefined;
  }

  /** Once every query that began with the older version has ended. */
  async #dropOlder(view: View, progress: Progress, limit: number): Promise<boolean> {
    const { state, clock } = this.#parts;
    const dueAtMs = (progress.finishedAtMs ?? 0) + 2 * LIMITS.queryMsMax;
    if (progress.isDropped || clock() < dueAtMs) return true;
    for (let version = 0; version < view.version; version += 1) {
      const sources: Key[] = [];
      for await (const item of state.partition(keyOf('sources', view.name, version))) sources.push(keyOfItem(item));
      for (const { sk: source } of sources) {
        const rows: Key[] = [];
        for await (const row of state.partition(rowPk({ view: view.name, version, source }))) {
          rows.push(keyOfItem(row), ...partKeys(row));
          if (rows.length >= limit) break;
        }
        await state.deleteAll(rows);
        if (rows.length >= limit) return false;
      }
      await state.deleteAll(sources);
    }
    await this.#put(view, { ...progress, isDropped: true });
    return true;
  }
}

function keyOfView({ name, version }: View): Key {
  return { pk: REBUILD_PK, sk: keyOf(name, version) };
}

function progressItem(view: View, progress: Progress): Item {
  const { pk, sk } = keyOfView(view);
  const { step, after, isScanned, pending, finishedAtMs, isDropped, revision } = progress;
  return {
    ...{ pk: text(pk), sk: text(sk), step: number(step), revision: number(revision) },
    ...(after !== undefined && { after: { M: after } }),
    ...(isScanned && { scanned: number(1) }),
    ...(pending !== undefined && { pending: text(pending) }),
    ...(finishedAtMs !== undefined && { finished: number(1), finishedAtMs: number(finishedAtMs) }),
    ...(isDropped && { dropped: number(1) }),
  };
}

function progressIn(item: Item): Progress {
  return {
    step: numberOf(item, 'step'),
    after: item.after?.M,
    isScanned: numberOf(item, 'scanned') === 1,
    pending: item.pending?.S,
    finishedAtMs: numberOf(item, 'finished') === 1 ? numberOf(item, 'finishedAtMs') : undefined,
    isDropped: numberOf(item, 'dropped') === 1,
    revision: numberOf(item, 'revision'),
  };
}

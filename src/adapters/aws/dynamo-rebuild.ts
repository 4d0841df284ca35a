import { ClickstreamError } from '../../core/errors.ts';
import { isKept, versionInForce } from '../../core/generations.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Clock } from '../../core/time.ts';
import type { View } from '../../core/view.ts';
import type { PassedOver, PassOver, RowKey, RowUpdate } from '../../store/event-store.ts';
import { keptDeltas, updatesOfStored } from '../../store/row-updates.ts';
import { type DynamoTable, type Key, keyOfItem } from './dynamo-client.ts';
import { oldestHour } from './dynamo-expiry.ts';
import { progressIn, progressItem, type RebuildProgress, readGenerations, rebuildKey } from './dynamo-generations.ts';
import { changeLane, lanesIn } from './dynamo-lanes.ts';
import { DynamoRowReader } from './dynamo-row-reader.ts';
import type { DynamoRows } from './dynamo-rows.ts';
import { readHidden } from './hidden-events.ts';
import {
  AFTER_PART,
  keyOf,
  number,
  partsOf,
  positionOf,
  REBUILD_LANE,
  rowPk,
  type StoredLane,
  storedEventOf,
  textOf,
} from './items.ts';
import { partKeys } from './large-values.ts';

const BEGINNING: RebuildProgress = {
  ...{ step: 0, keepFrom: undefined, after: undefined, isScanned: false, pending: undefined },
  ...{ startedAtMs: undefined, finishedAtMs: undefined, isDropped: false },
  ...{ folded: 0, events: 0, keptBefore: undefined, revision: 0 },
};

/** Buckets begin with letters. */
const AFTER_BUCKETS = '~';

const MS_PER_DAY = 86_400_000;
/** Expired events are deleted after `expiredKeptDays`: so much longer than was thought a rebuild may take. */
const LATE_MS_MAX = (LIMITS.expiredKeptDays - 1) * MS_PER_DAY;

function msToFold(events: number): number {
  return Math.ceil(events / LIMITS.rebuildEventsPerDay) * MS_PER_DAY;
}

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
  async step(
    asked: View,
    { limit, passOver }: { readonly limit: number; readonly passOver: PassOver },
  ): Promise<boolean> {
    const { state, rows } = this.#parts;
    const generations = await readGenerations(state);
    const version = versionInForce(asked, generations);
    if (version === undefined) return true;
    const view = { ...asked, version };
    const cuts = await this.#takeUp(view);
    if (cuts.size === 0) return true;
    rows.know(view);
    const isSameCode = generations[view.name]?.version === version;
    let progress = await this.#foldPending(view, await this.#progressOf(view, isSameCode));
    if (progress?.isScanned === false) {
      const planned =
        progress.keepFrom !== undefined
          ? await this.#planKept(view, progress, { keepFrom: progress.keepFrom, limit, passOver })
          : await this.#plan(view, progress, { cuts, limit, passOver });
      progress = await this.#foldPending(view, planned);
    }
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
      // One that has nothing done folds into this version from its beginning, but must know.
      if (cut !== undefined && state.done >= 0n) cuts.set(lane, cut);
      if (isTaken) continue;
      await changeLane(table, lane, (stored) => {
        const standing = stored.state.registry[view.name] ?? 0;
        if (standing > view.version)
          throw new ClickstreamError('views_newer', `lane ${lane} has ${view.name}@${standing}`);
        // A batch of the lane, or another rebuild, took it up meanwhile, with a cut of its own.
        if (standing === view.version) {
          const cutBefore = stored.state.cuts[name];
          if (cutBefore === undefined) cuts.delete(lane);
          else cuts.set(lane, cutBefore);
          return undefined;
        }
        const registry = { ...stored.state.registry, [view.name]: view.version };
        if (stored.state.done < 0n) return { ...stored, state: { ...stored.state, registry } };
        cuts.set(lane, stored.state.done);
        const cutsNow = { ...stored.state.cuts, [name]: stored.state.done };
        return { ...stored, state: { ...stored.state, registry, cuts: cutsNow } };
      });
    }
    return cuts;
  }

  /** As it stands, or as it begins. Rows that another version of the program folded cannot be kept: only of the same code they mean the same. */
  async #progressOf(view: View, isSameCode: boolean): Promise<RebuildProgress> {
    const { state, clock } = this.#parts;
    const item = await state.get(rebuildKey(view));
    if (item !== undefined) return progressIn(item);
    const lanes = await lanesIn(state);
    const events = lanes.reduce((sum, { totals }) => sum + totals.events - totals.expired - totals.erased, 0);
    const startedAtMs = clock();
    const keptBefore = isSameCode ? await this.#keptBefore(lanes, { startedAtMs, events }) : undefined;
    const keepFrom = keptBefore === undefined ? undefined : '';
    return { ...BEGINNING, startedAtMs, events, keptBefore, keepFrom };
  }

  /** Undefined when nothing is expired, nor will be before all is folded. */
  async #keptBefore(
    lanes: readonly StoredLane[],
    { startedAtMs, events }: { readonly startedAtMs: number; readonly events: number },
  ): Promise<string | undefined> {
    const { state } = this.#parts;
    const dueAtMs = startedAtMs - LIMITS.eventRetentionDays * MS_PER_DAY + msToFold(events);
    const expiring = new Date(dueAtMs).toISOString();
    const expired = lanes.flatMap(({ expiredBefore }) => expiredBefore ?? []);
    const oldest = await Promise.all(lanes.map((lane) => oldestHour(state, lane)));
    const isExpiring = expired.length > 0 || oldest.some((hour) => hour !== undefined && hour < expiring);
    return isExpiring ? [...expired, expiring].sort().at(-1) : undefined;
  }

  /**
   * Reads some of the rows that readers see, of one source, and fixes what they bring to the new ones: those of times of which events
   * are expired. Every lane has taken up the new version, so nothing is added to the rows of before any more, but what journals hold
   * may become rows: one look reads both.
   */
  async #planKept(
    view: View,
    progress: RebuildProgress,
    { keepFrom, limit, passOver }: { readonly keepFrom: string; readonly limit: number; readonly passOver: PassOver },
  ): Promise<RebuildProgress | undefined> {
    const reader = new DynamoRowReader(this.#parts.state);
    const before = (await reader.versionsRead(view.name)).filter(({ version }) => version < view.version);
    const [standing = '', bucket = ''] = partsOf(keepFrom);
    const listed = await Promise.all(before.map(({ version }) => reader.sourcesOf(view.name, version)));
    const [source] = listed
      .flat()
      .filter((name) => name >= standing)
      .sort();
    if (source === undefined) return this.#fix(view, { ...progress, keepFrom: undefined }, []);
    const from = source === standing ? bucket : '';
    const ends = before.map(({ version }) => this.#bucketAfter({ view: view.name, version, source }, { from, limit }));
    const [to] = (await Promise.all(ends)).filter((end) => end !== undefined).sort();
    const range = { view: view.name, source, from, to: to ?? AFTER_BUCKETS };
    const found = await Promise.all(before.map((version) => reader.rowsOf(version, range)));
    const kept = found.flat().filter((row) => isKept(row.key.bucket, progress.keptBefore));
    const allPassed: PassedOver[] = [];
    const updates = [...Map.groupBy(kept, (row) => row.key.bucket)].flatMap(([of, rows]): RowUpdate[] => {
      const { deltas, passed } = keptDeltas(view, rows);
      allPassed.push(...passed);
      const key = { view: view.name, version: view.version, source, bucket: of, lane: REBUILD_LANE };
      return deltas.length === 0 ? [] : [{ key, row: view, deltas }];
    });
    if (allPassed.length > 0) passOver(allPassed);
    // After a source's last bucket: the next source is the first that comes after its name.
    const next = to === undefined ? `${source}${AFTER_PART}` : keyOf(source, to);
    return this.#fix(view, { ...progress, keepFrom: next }, updates);
  }

  /** The first bucket after some `limit` rows; undefined when there are no more. Whole buckets only, for all their rows are read in one look. */
  async #bucketAfter(
    list: Pick<RowKey, 'view' | 'version' | 'source'>,
    { from, limit }: { readonly from: string; readonly limit: number },
  ): Promise<string | undefined> {
    let count = 0;
    let last: string | undefined;
    for await (const item of this.#parts.state.partition(rowPk(list), { from, to: AFTER_BUCKETS })) {
      const [bucket = ''] = partsOf(textOf(item, 'sk'));
      if (count >= limit && bucket !== last) return bucket;
      count += 1;
      last = bucket;
    }
    return undefined;
  }

  /** Reads a page, and fixes what it adds. Undefined when another one did so first. */
  async #plan(
    view: View,
    progress: RebuildProgress,
    parts: { readonly cuts: ReadonlyMap<string, bigint>; readonly limit: number; readonly passOver: PassOver },
  ): Promise<RebuildProgress | undefined> {
    const { cuts, limit, passOver } = parts;
    const { events: table, state, clock } = this.#parts;
    const begunMsAgo = clock() - (progress.startedAtMs ?? clock());
    if (progress.keptBefore !== undefined && begunMsAgo > msToFold(progress.events) + LATE_MS_MAX)
      throw new Error(`the rebuild of ${view.name} has taken too long: events may be deleted before it folds them`);
    const [{ items, after }, hidden] = await Promise.all([
      table.scan({ after: progress.after, limit }),
      readHidden(state, () => lanesIn(state)),
    ]);
    const before = items.filter((item) => {
      const { lane, sequence } = positionOf(item);
      return sequence <= (cuts.get(lane) ?? -1n) && !hidden.hides(item);
    });
    const inOrder = before.sort((a, b) => (positionOf(a).sequence < positionOf(b).sequence ? -1 : 1));
    const { updates: all, passed } = updatesOfStored(view, inOrder, {
      ...{ read: storedEventOf, positionOf },
      laneFor: () => REBUILD_LANE,
    });
    if (passed.length > 0) passOver(passed);
    const updates = all.filter(({ key }) => !isKept(key.bucket, progress.keptBefore));
    const folded = progress.folded + items.length;
    return this.#fix(view, { ...progress, after, folded, isScanned: after === undefined }, updates);
  }

  /** Puts what a page adds into the journal, and names it by a compare-and-set. Undefined when another one did so first. */
  async #fix(
    view: View,
    becomes: RebuildProgress,
    updates: readonly RowUpdate[],
  ): Promise<RebuildProgress | undefined> {
    const { rows, attempt } = this.#parts;
    const step = becomes.step + 1;
    const place = { lane: REBUILD_LANE, sequence: BigInt(step), attempt: attempt() };
    const pending = await rows.putJournal(updates, place);
    const put = await this.#put(view, { ...becomes, step, pending });
    if (put === undefined && pending !== undefined) await rows.drop(REBUILD_LANE, [pending]);
    return put;
  }

  /** Folds what a page was found to add; done again, by whomever, it changes nothing. */
  async #foldPending(view: View, progress: RebuildProgress | undefined): Promise<RebuildProgress | undefined> {
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
  async #put(view: View, becomes: RebuildProgress): Promise<RebuildProgress | undefined> {
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
  async #dropOlder(view: View, progress: RebuildProgress, limit: number): Promise<boolean> {
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

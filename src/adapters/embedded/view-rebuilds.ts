import type { DatabaseSync } from 'node:sqlite';
import {
  type Generation,
  type Generations,
  isKept,
  isUnderWay,
  nextGeneration,
  type ViewRebuild,
  versionInForce,
} from '../../core/generations.ts';
import { readJson } from '../../core/read-json.ts';
import type { View } from '../../core/view.ts';
import type { PassedOver, PassOver } from '../../store/event-store.ts';
import { keptDeltas, updatesOfStored } from '../../store/row-updates.ts';
import {
  cutsText,
  EVENT_COLUMNS,
  EVENTS_WITH_SOURCE,
  type EventRow,
  LANE_COLUMNS,
  type LaneRow,
  laneOf,
  positionOf,
  registryText,
  selectAll,
  selectOne,
  storedEventOf,
} from './stored-rows.ts';
import type { ViewRows } from './view-rows.ts';

/** The lane that rebuilt rows belong to; no lane of a log is called so. */
export const REBUILD_LANE = 'rebuild';

export interface GenerationRow {
  readonly view: string;
  readonly code: bigint;
  readonly version: bigint;
  readonly base: bigint;
  readonly asked_at_ms: bigint;
}

export const GENERATION_COLUMNS = 'view, code, version, base, asked_at_ms' as const;

export function generationOf({ code, version, base, asked_at_ms }: GenerationRow): Generation {
  const askedAtMs = Number(asked_at_ms);
  return { code: Number(code), version: Number(version), base: Number(base), askedAtMs };
}

export interface RebuildRow {
  readonly view: string;
  readonly version: bigint;
  readonly through: bigint;
  readonly until: bigint;
  readonly finished: bigint;
  readonly folded: bigint;
  readonly events: bigint;
  readonly started_at_ms: bigint | null;
  readonly finished_at_ms: bigint | null;
  readonly kept_before: string | null;
  readonly kept_through: string | null;
}

export const REBUILD_COLUMNS =
  'view, version, through, until, finished, folded, events, started_at_ms, finished_at_ms, kept_before, kept_through' as const;

/** The latest of each view, out of all that the store knows of. */
export function rebuildsOf(found: {
  readonly rebuilds: readonly RebuildRow[];
  readonly generations: Generations;
  readonly lanes: readonly LaneRow[];
}): readonly ViewRebuild[] {
  const { rebuilds, generations } = found;
  const lanes = found.lanes.map(laneOf);
  const views = new Set([...Object.keys(generations), ...rebuilds.map(({ view }) => view)]);
  return [...views].sort().map((view): ViewRebuild => {
    const generation = generations[view];
    const [latest] = rebuilds.filter((row) => row.view === view).sort((a, b) => Number(b.version - a.version));
    if (generation === undefined || Number(latest?.version ?? -1n) > generation.version)
      return rebuildOf(view, latest, undefined);
    const isBegun = Number(latest?.version) === generation.version;
    if (isBegun) return rebuildOf(view, latest, generation);
    const { version, askedAtMs } = generation;
    const isWaiting = isUnderWay({ view, version }, { lanes, isFinished: () => false });
    return { view, state: isWaiting ? 'waiting' : 'finished', askedAtMs, folded: 0, events: 0 };
  });
}

function rebuildOf(view: string, row: RebuildRow | undefined, generation: Generation | undefined): ViewRebuild {
  return {
    view,
    state: row?.finished === 1n ? 'finished' : 'folding',
    askedAtMs: generation?.askedAtMs,
    startedAtMs: timeOf(row?.started_at_ms),
    finishedAtMs: timeOf(row?.finished_at_ms),
    folded: Number(row?.folded ?? 0n),
    events: Number(row?.events ?? 0n),
    keptBefore: row?.kept_before ?? undefined,
  };
}

function timeOf(ms: bigint | null | undefined): number | undefined {
  return typeof ms === 'bigint' ? Number(ms) : undefined;
}

/** Each function here runs within a transaction of its caller. */

export function generationsIn(database: DatabaseSync): Generations {
  const rows = selectAll<GenerationRow>(database.prepare(`SELECT ${GENERATION_COLUMNS} FROM generations`));
  return Object.fromEntries(rows.map((row) => [row.view, generationOf(row)]));
}

/** All rows must be written: what the lanes folded so far stays as it is from here on. False when nothing was to be asked. */
export function askRebuild(database: DatabaseSync, view: View, nowMs: number): boolean {
  const finished = database.prepare('SELECT 1 FROM rebuilds WHERE view = ? AND version = ? AND finished = 1');
  const standing = {
    generations: generationsIn(database),
    lanes: lanesIn(database).map(laneOf),
    isFinished: (version: number) => finished.get(view.name, version) !== undefined,
  };
  const next = nextGeneration(view, standing, nowMs);
  if (next === undefined) return false;
  database
    .prepare(`INSERT OR REPLACE INTO generations (${GENERATION_COLUMNS}) VALUES (?, ?, ?, ?, ?)`)
    .run(view.name, next.code, next.version, next.base, next.askedAtMs);
  takeUp(database, { ...view, version: next.version });
  return true;
}

/**
 * Folds the next `limit` events at or before their lane's cut into the view's rows of the rebuild lane; before that, takes
 * over the next `limit` rows that are kept as they are. The events to look at are fixed when the rebuild starts: whatever
 * comes later is after every cut.
 */
export function rebuildView(
  database: DatabaseSync,
  rows: ViewRows,
  parts: { readonly view: View; readonly limit: number; readonly nowMs: number; readonly passOver: PassOver },
): boolean {
  const { view: asked, limit, nowMs, passOver } = parts;
  const generations = generationsIn(database);
  const version = versionInForce(asked, generations);
  if (version === undefined) return true;
  const view = { ...asked, version };
  const cuts = takeUp(database, view);
  if (cuts.size === 0) return true;
  const isSameCode = generations[view.name]?.version === version;
  const progress = startOrResume(database, view, { isSameCode, nowMs });
  if (progress.finished !== 0n) return deleteOlderRows(database, view, limit);
  if (progress.kept_through !== null) {
    tellPassed(takeOver(database, rows, { view, limit, progress }), passOver);
    return false;
  }
  const events = selectAll<EventRow>(
    database.prepare(
      `SELECT ${EVENT_COLUMNS} FROM ${EVENTS_WITH_SOURCE} WHERE events.id > ? AND events.id <= ? ORDER BY events.id LIMIT ?`,
    ),
    progress.through,
    progress.until,
    limit,
  );
  const before = events.filter(({ lane, sequence }) => sequence <= (cuts.get(lane) ?? -1n));
  const { updates, passed } = updatesOfStored(view, before, {
    ...{ read: storedEventOf, positionOf },
    laneFor: () => REBUILD_LANE,
  });
  tellPassed(passed, passOver);
  for (const update of updates) {
    if (!isKept(update.key.bucket, progress.kept_before ?? undefined)) rows.absorb(update);
  }
  rows.write();
  const last = events.at(-1);
  const isFinished = events.length < limit;
  database
    .prepare(
      `UPDATE rebuilds SET through = ?, finished = ?, finished_at_ms = ?, folded = folded + ?
       WHERE view = ? AND version = ?`,
    )
    .run(
      last?.id ?? progress.through,
      isFinished ? 1 : 0,
      isFinished ? nowMs : null,
      events.length,
      view.name,
      view.version,
    );
  return isFinished && deleteOlderRows(database, view, limit);
}

/** Puts rows of the version before that are kept into those of the new one. */
function takeOver(
  database: DatabaseSync,
  rows: ViewRows,
  { view, limit, progress }: { readonly view: View; readonly limit: number; readonly progress: RebuildRow },
): readonly PassedOver[] {
  const [source = '', bucket = '', lane = ''] = readJson(progress.kept_through ?? '[]') as readonly string[];
  const found = selectAll<Record<'source' | 'bucket' | 'lane' | 'value', string>>(
    database.prepare(
      `SELECT source, bucket, lane, value FROM rows
       WHERE view = ? AND version = ? AND (source, bucket, lane) > (?, ?, ?) ORDER BY source, bucket, lane LIMIT ?`,
    ),
    view.name,
    view.version - 1,
    source,
    bucket,
    lane,
    limit,
  );
  const allPassed: PassedOver[] = [];
  for (const row of found) {
    if (!isKept(row.bucket, progress.kept_before ?? undefined)) continue;
    const key = { view: view.name, version: view.version, source: row.source, bucket: row.bucket, lane: REBUILD_LANE };
    const { deltas, passed } = keptDeltas(view, [{ key: row, text: row.value }]);
    if (deltas.length > 0) rows.absorb({ key, row: view, deltas });
    allPassed.push(...passed);
  }
  rows.write();
  const last = found.at(-1);
  const through =
    last === undefined || found.length < limit ? null : JSON.stringify([last.source, last.bucket, last.lane]);
  database
    .prepare('UPDATE rebuilds SET kept_through = ? WHERE view = ? AND version = ?')
    .run(through, view.name, view.version);
  return allPassed;
}

function tellPassed(passed: readonly PassedOver[], passOver: PassOver): void {
  if (passed.length > 0) passOver(passed);
}

/** Has every lane fold into this version, and returns the cuts of those that did not from their beginning. */
function takeUp(database: DatabaseSync, view: View): ReadonlyMap<string, bigint> {
  const key = `${view.name}@${view.version}`;
  const states = lanesIn(database).map((row) => ({ lane: row.lane, state: laneOf(row) }));
  if (states.some(({ state }) => (state.registry[view.name] ?? 0) > view.version)) return new Map();
  const found = new Map<string, bigint>();
  for (const { lane, state } of states) {
    const cut = state.registry[view.name] === view.version ? state.cuts[key] : state.done;
    if (cut === undefined) continue;
    found.set(lane, cut);
    if (state.registry[view.name] === view.version) continue;
    const registry = registryText({ ...state.registry, [view.name]: view.version });
    const cuts = cutsText({ ...state.cuts, [key]: cut });
    database.prepare('UPDATE lanes SET registry = ?, cuts = ? WHERE lane = ?').run(registry, cuts, lane);
  }
  return found;
}

function lanesIn(database: DatabaseSync): readonly LaneRow[] {
  return selectAll<LaneRow>(database.prepare(`SELECT ${LANE_COLUMNS} FROM lanes`));
}

/** Rows that another version of the program folded cannot be taken over: only of the same code they mean the same. */
function startOrResume(
  database: DatabaseSync,
  view: View,
  { isSameCode, nowMs }: { readonly isSameCode: boolean; readonly nowMs: number },
): RebuildRow {
  database
    .prepare(
      `INSERT INTO rebuilds (view, version, through, until, finished, events, started_at_ms, kept_before, kept_through)
       SELECT ?1, ?2, 0, coalesce((SELECT max(id) FROM events), 0), 0, events, ?3,
         CASE WHEN ?4 THEN expired_before END, CASE WHEN ?4 AND expired_before IS NOT NULL THEN '[]' END
       FROM totals WHERE true ON CONFLICT DO NOTHING`,
    )
    .run(view.name, view.version, nowMs, isSameCode ? 1 : 0);
  const progress = selectOne<RebuildRow>(
    database.prepare(`SELECT ${REBUILD_COLUMNS} FROM rebuilds WHERE view = ? AND version = ?`),
    view.name,
    view.version,
  );
  if (progress === undefined) throw new Error(`the rebuild of ${view.name}@${view.version} did not start`);
  return progress;
}

/** True when none are left. */
function deleteOlderRows(database: DatabaseSync, view: View, limit: number): boolean {
  const { changes } = database
    .prepare(
      `DELETE FROM rows WHERE (view, version, source, bucket, lane) IN
         (SELECT view, version, source, bucket, lane FROM rows WHERE view = ? AND version < ? LIMIT ?)`,
    )
    .run(view.name, view.version, limit);
  return Number(changes) < limit;
}

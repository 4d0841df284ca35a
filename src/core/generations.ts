import { ClickstreamError } from './errors.ts';
import type { View } from './view.ts';

/**
 * Under which version the rows of a view are kept since it was last asked to be folded anew. That version grows with each such
 * asking, and with each version that the program gives the view: so one never means two things.
 */
export interface Generation {
  /** The view's version in the program that was asked. */
  readonly code: number;
  /** The version of the rows that the program's views of that version fold into. */
  readonly version: number;
  /** The version that the rows of this code had before it was first asked: rows of it and of all that follow can be merged. */
  readonly base: number;
  /** Epoch milliseconds. */
  readonly askedAtMs: number;
}

/** By view; of one that was never asked for, the program's version is that of its rows. */
export type Generations = Readonly<Record<string, Generation>>;

/** The version of the rows that a program's view folds into; undefined when a newer program was asked, and so has them. */
export function versionInForce(
  { name, version }: Pick<View, 'name' | 'version'>,
  generations: Generations,
): number | undefined {
  const generation = generations[name];
  if (generation === undefined) return version;
  return version < generation.code ? undefined : generation.version + version - generation.code;
}

/** The view as it folds into the rows that are in force. Throws ClickstreamError `views_newer`. */
export function inForce<Of extends Pick<View, 'name' | 'version'>>(view: Of, generations: Generations): Of {
  const version = versionInForce(view, generations);
  if (version === undefined) {
    const asked = generations[view.name]?.code;
    const detail = `view ${view.name} was rebuilt in version ${asked}, this program has ${view.version}`;
    throw new ClickstreamError('views_newer', `the store was written by a newer version: ${detail}`);
  }
  return version === view.version ? view : { ...view, version };
}

/** What a lane folds into, and by `view@version` from where on: see `LaneState`. */
interface LaneVersions {
  readonly registry: Readonly<Record<string, number>>;
  readonly cuts: Readonly<Record<string, bigint>>;
}

/** Where a store stands when it is asked to fold a view anew. */
export interface Standing {
  readonly generations: Generations;
  readonly lanes: readonly LaneVersions[];
  /** Whether the rows of this version were folded anew, whole. */
  readonly isFinished: (version: number) => boolean;
}

/**
 * The generation that an asking begins; undefined when the one in force is still being folded, and so is what is asked for. Throws
 * ClickstreamError `views_newer`.
 */
export function nextGeneration(view: View, standing: Standing, nowMs: number): Generation | undefined {
  const { version } = inForce(view, standing.generations);
  const newer = standing.lanes.find(({ registry }) => (registry[view.name] ?? 0) > version);
  if (newer !== undefined) {
    const detail = `view ${view.name} has rows of version ${newer.registry[view.name]}, this program's are ${version}`;
    throw new ClickstreamError('views_newer', `the store was written by a newer version: ${detail}`);
  }
  if (isUnderWay({ view: view.name, version }, standing)) return undefined;
  const known = standing.generations[view.name];
  const base = known?.code === view.version ? known.base : version;
  return { code: view.version, version: version + 1, base, askedAtMs: nowMs };
}

/** Whether a lane lacks some of what came before it folded into this version, and nothing has brought it yet. */
export function isUnderWay(
  { view, version }: { readonly view: string; readonly version: number },
  { lanes, isFinished }: Pick<Standing, 'lanes' | 'isFinished'>,
): boolean {
  if (isFinished(version)) return false;
  return lanes.some(
    ({ registry, cuts }) => (registry[view] ?? -1) < version || cuts[`${view}@${version}`] !== undefined,
  );
}

/** Rows that readers see: of a version, all of them, or without what a rebuild has folded of it so far. */
export interface ReadVersion {
  readonly version: number;
  readonly isWhole: boolean;
}

/**
 * While a view is folded anew because that was asked for, what the lanes have folded since lies in the versions after the one that
 * was folded anew last, without what came before: together they are all. Which versions lanes went through is not asked, for one may
 * have passed over some.
 */
export function versionsRead(found: {
  /** The newest that needs no other; undefined when there is none. */
  readonly ready: number | undefined;
  /** The newest that was folded anew, whole. */
  readonly rebuilt: number | undefined;
  readonly generation: Generation | undefined;
}): readonly ReadVersion[] {
  const { ready, rebuilt = -1, generation } = found;
  if (generation === undefined || (ready ?? -1) > generation.version)
    return ready === undefined ? [] : [{ version: ready, isWhole: true }];
  const first = Math.max(rebuilt, generation.base);
  const read = [{ version: first, isWhole: true }];
  for (let version = first + 1; version <= generation.version; version += 1) read.push({ version, isWhole: false });
  return read;
}

/**
 * Of events that expired nothing is left but the rows. They arrived before `keptBefore`, and nothing happens after it arrived: so
 * a row whose time began before it may count some of them, and is kept as it is.
 */
export function isKept(bucket: string, keptBefore: string | undefined): boolean {
  if (keptBefore === undefined) return false;
  // `minute/2026-11-23T10:04Z`, `hour/country/2026-11-23T10:00Z`, `day/2026-11-23`: without the Z, texts order as times do.
  const began = bucket.slice(bucket.lastIndexOf('/') + 1).replace(/Z$/, '');
  return began < keptBefore.replace(/Z$/, '');
}

/** How the folding of a view anew stands. */
export interface ViewRebuild {
  readonly view: string;
  /** Asked for, and not begun; being folded; done, and what readers see. */
  readonly state: 'waiting' | 'folding' | 'finished';
  /** Absent where a new version of the program began it. Epoch milliseconds, like the other times. */
  readonly askedAtMs?: number | undefined;
  readonly startedAtMs?: number | undefined;
  readonly finishedAtMs?: number | undefined;
  /** Events that were looked at so far, of about so many. */
  readonly folded: number;
  readonly events: number;
  /** Rows of times that began before this were kept as they were, for some of their events are expired. ISO 8601. */
  readonly keptBefore?: string | undefined;
}

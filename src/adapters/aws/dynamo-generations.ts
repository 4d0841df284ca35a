import { ClickstreamError } from '../../core/errors.ts';
import { type Generations, isUnderWay, nextGeneration, type ViewRebuild } from '../../core/generations.ts';
import { LIMITS } from '../../core/limits.ts';
import { readJson } from '../../core/read-json.ts';
import type { Clock } from '../../core/time.ts';
import type { View } from '../../core/view.ts';
import type { DynamoTable } from './dynamo-client.ts';
import { lanesIn, stateOf } from './dynamo-lanes.ts';
import type { NamedFold } from './dynamo-rows.ts';
import { type Item, keyOf, number, numberOf, partsOf, REBUILD_PK, type StoredLane, text, textOf } from './items.ts';

/** No version follows it: so it is no view's. */
const GENERATIONS_KEY = { pk: REBUILD_PK, sk: 'generations' } as const;

export async function readGenerations(state: DynamoTable): Promise<Generations> {
  return generationsOf(await state.get(GENERATIONS_KEY));
}

function generationsOf(item: Item | undefined): Generations {
  return item === undefined ? {} : (readJson(textOf(item, 'value')) as Generations);
}

/** How far the rebuild of one version of a view is. */
export interface RebuildProgress {
  /** Pages of rows or of the table that were read. */
  readonly step: number;
  /** What is taken over next of the rows that are kept: source and bucket. Undefined once all are. */
  readonly keepFrom: string | undefined;
  /** Where the next page begins; undefined before the first and after the last. */
  readonly after: Item | undefined;
  readonly isScanned: boolean;
  /** The journal item of the last page, while rows may lack it. */
  readonly pending: string | undefined;
  readonly startedAtMs: number | undefined;
  /** When the rows were whole: readers have them from then on. */
  readonly finishedAtMs: number | undefined;
  /** Rows of older versions are gone. */
  readonly isDropped: boolean;
  /** Items of the table of events that were read, of about so many. */
  readonly folded: number;
  readonly events: number;
  readonly keptBefore: string | undefined;
  /** Grows with every write: what a compare-and-set asks for. */
  readonly revision: number;
}

export function rebuildKey({ name, version }: Pick<View, 'name' | 'version'>): {
  readonly pk: string;
  readonly sk: string;
} {
  return { pk: REBUILD_PK, sk: keyOf(name, version) };
}

export function progressItem(view: View, progress: RebuildProgress): Item {
  const { pk, sk } = rebuildKey(view);
  const { step, keepFrom, after, isScanned, pending } = progress;
  const { startedAtMs, finishedAtMs, isDropped } = progress;
  const { folded, events, keptBefore, revision } = progress;
  return {
    ...{ pk: text(pk), sk: text(sk), step: number(step), revision: number(revision) },
    ...{ folded: number(folded), events: number(events) },
    ...(keepFrom !== undefined && { keepFrom: text(keepFrom) }),
    ...(after !== undefined && { after: { M: after } }),
    ...(isScanned && { scanned: number(1) }),
    ...(pending !== undefined && { pending: text(pending) }),
    ...(startedAtMs !== undefined && { startedAtMs: number(startedAtMs) }),
    ...(finishedAtMs !== undefined && { finished: number(1), finishedAtMs: number(finishedAtMs) }),
    ...(isDropped && { dropped: number(1) }),
    ...(keptBefore !== undefined && { keptBefore: text(keptBefore) }),
  };
}

export function progressIn(item: Item): RebuildProgress {
  return {
    step: numberOf(item, 'step'),
    keepFrom: item.keepFrom?.S,
    after: item.after?.M,
    isScanned: numberOf(item, 'scanned') === 1,
    pending: item.pending?.S,
    startedAtMs: item.startedAtMs === undefined ? undefined : numberOf(item, 'startedAtMs'),
    finishedAtMs: numberOf(item, 'finished') === 1 ? numberOf(item, 'finishedAtMs') : undefined,
    isDropped: numberOf(item, 'dropped') === 1,
    folded: numberOf(item, 'folded'),
    events: numberOf(item, 'events'),
    keptBefore: item.keptBefore?.S,
    revision: numberOf(item, 'revision'),
  };
}

interface ViewProgress {
  readonly view: string;
  readonly version: number;
  readonly progress: RebuildProgress;
}

/** All that is known of rebuilds. */
export interface Rebuilds {
  readonly generations: Generations;
  readonly progress: readonly ViewProgress[];
}

export async function readRebuilds(state: DynamoTable): Promise<Rebuilds> {
  let generations: Generations = {};
  const progress: ViewProgress[] = [];
  for await (const item of state.partition(REBUILD_PK)) {
    const [view = '', version] = partsOf(textOf(item, 'sk'));
    if (version === undefined) generations = generationsOf(item);
    else progress.push({ view, version: Number(version), progress: progressIn(item) });
  }
  return { generations, progress };
}

export function finishedIn({ progress }: Rebuilds, view: string): readonly number[] {
  return progress.flatMap((of) => (of.view === view && of.progress.finishedAtMs !== undefined ? [of.version] : []));
}

/** The latest of each view. */
export function rebuildsOf(found: Rebuilds, lanes: readonly StoredLane[]): readonly ViewRebuild[] {
  const { generations, progress } = found;
  const states = lanes.map(({ state }) => state);
  const views = new Set([...Object.keys(generations), ...progress.map(({ view }) => view)]);
  return [...views].sort().map((view): ViewRebuild => {
    const generation = generations[view];
    const [latest] = progress.filter((of) => of.view === view).sort((a, b) => b.version - a.version);
    if (generation !== undefined && (latest === undefined || latest.version < generation.version)) {
      const { version, askedAtMs } = generation;
      const isWaiting = isUnderWay({ view, version }, { lanes: states, isFinished: () => false });
      return { view, state: isWaiting ? 'waiting' : 'finished', askedAtMs, folded: 0, events: 0 };
    }
    return {
      view,
      state: latest?.progress.finishedAtMs === undefined ? 'folding' : 'finished',
      askedAtMs: latest?.version === generation?.version ? generation?.askedAtMs : undefined,
      startedAtMs: latest?.progress.startedAtMs,
      finishedAtMs: latest?.progress.finishedAtMs,
      folded: latest?.progress.folded ?? 0,
      events: latest?.progress.events ?? 0,
      keptBefore: latest?.progress.keptBefore,
    };
  });
}

/** Asked by several at once, one of them begins a generation, and the others find it under way. */
export async function askRebuild(state: DynamoTable, view: View, clock: Clock): Promise<void> {
  for (let tries = 0; tries < LIMITS.dynamoTries; tries += 1) {
    // First of all, so that what is read after it is no older than it.
    const item = await state.get(GENERATIONS_KEY);
    const generations = generationsOf(item);
    const lanes = (await lanesIn(state)).flatMap((lane) => stateOf(lane) ?? []);
    const finished = finishedIn(await readRebuilds(state), view.name);
    const standing = { generations, lanes, isFinished: (version: number) => finished.includes(version) };
    const next = nextGeneration(view, standing, clock());
    if (next === undefined) return;
    const revision = item === undefined ? 0 : numberOf(item, 'revision');
    const put = await state.put(
      {
        ...{ pk: text(GENERATIONS_KEY.pk), sk: text(GENERATIONS_KEY.sk), revision: number(revision + 1) },
        value: text(JSON.stringify({ ...generations, [view.name]: next })),
      },
      item === undefined
        ? { expression: 'attribute_not_exists(pk)' }
        : {
            expression: '#revision = :revision',
            names: { '#revision': 'revision' },
            values: { ':revision': number(revision) },
          },
    );
    if (put.kind === 'put') return;
  }
  throw new ClickstreamError('overloaded', 'rebuilds were asked for by others each time this one was');
}

/** What others may have put into a journal: of rows that were asked for, and of those before. */
export function foldsOf(folds: readonly NamedFold[], generations: Generations): readonly NamedFold[] {
  return folds.flatMap((fold) => {
    const { version: latest, base } = generations[fold.name] ?? { version: 0, base: 1 };
    const versions = Array.from({ length: Math.max(0, latest - base + 1) }, (_, place) => base + place);
    return versions.map((version) => ({ ...fold, version }));
  });
}

import type { Event } from '../../core/event.ts';
import type { Facts, Values } from '../../core/view.ts';

/**
 * What measures are split by. `of` says whose value counts: the event's own; that of the session's first event, for all of
 * the session; or the session's latest page, which moves while the session lasts.
 */
export interface Dimension {
  readonly name: string;
  readonly of: 'event' | 'session' | 'exit';
  value(values: Values): string | undefined;
}

/** Every dimension, by its name in the API: a new one is a line here. */
export const DIMENSIONS: readonly Dimension[] = [
  { name: 'eventType', of: 'event', value: ({ eventType }) => eventType },
  { name: 'page', of: 'event', value: ({ page }) => page },
  { name: 'entryPage', of: 'session', value: ({ page }) => page },
  { name: 'exitPage', of: 'exit', value: ({ page }) => page },
  { name: 'referrer', of: 'session', value: ({ referrer }) => referrer },
  { name: 'channel', of: 'session', value: ({ channel }) => channel },
  { name: 'source', of: 'session', value: ({ source }) => source },
  { name: 'medium', of: 'session', value: ({ medium }) => medium },
  { name: 'campaign', of: 'session', value: ({ campaign }) => campaign },
  { name: 'browser', of: 'event', value: ({ browser }) => browser },
  { name: 'os', of: 'event', value: ({ os }) => os },
  { name: 'device', of: 'event', value: ({ device }) => device },
  { name: 'language', of: 'event', value: ({ language }) => language },
  { name: 'country', of: 'event', value: ({ country }) => country },
];

/** Stands for the whole, beside the dimensions, with this as its one value. */
export const TOTAL = 'total';
/** What has no value. */
export const NONE = '(none)';

/** An event's own values. */
export function valuesOf({ eventType }: Pick<Event, 'eventType'>, { enriched }: Pick<Facts, 'enriched'>): Values {
  return { ...enriched, eventType };
}

/** The values of the first event of its session. */
export function openingOf(own: Values, { opening }: Pick<Facts, 'opening'>): Values {
  if (opening === undefined) return own;
  const values: Record<string, unknown> = { ...own };
  for (const [name, value] of Object.entries(opening)) values[name] = value ?? undefined;
  return values as unknown as Values;
}

/** What `openingOf` needs beside an event's own values; undefined when that is nothing. */
export function openingBeside(own: Values, opening: Values): Facts['opening'] {
  let differing: Record<string, unknown> | undefined;
  for (const name of VALUE_NAMES) {
    if (own[name] === opening[name]) continue;
    differing ??= {};
    differing[name] = opening[name] ?? null;
  }
  return differing;
}

export const VALUE_NAMES = [
  'eventType',
  'page',
  'browser',
  'os',
  'device',
  'bot',
  'language',
  'country',
  'referrer',
  'channel',
  'source',
  'medium',
  'campaign',
] as const satisfies readonly (keyof Values)[];

import type { Event } from '../../core/event.ts';
import { isObject, type Json } from '../../core/json.ts';
import type { View } from '../../core/view.ts';
import { bucketsOf } from './buckets.ts';
import { type Counts, countsCodec, countValue, mergeCounts } from './counts.ts';

/** Page views, by the page's path. Every event of type `page` is one. */
export const pageviewsByPage: View<Counts> = {
  ...countsCodec,
  name: 'pageviews-by-page',
  version: 1,
  keys: (event) => (event.eventType === 'page' ? bucketsOf(event.timestamp) : []),
  fold: (state, event) => countValue(state, pageOf(event)),
  merge: mergeCounts,
};

/** The path of the page an event happened on, without host, query and fragment; "(none)" when it does not say. */
export function pageOf({ properties, context }: Pick<Event, 'properties' | 'context'>): string {
  const page = isObject(context.page) ? context.page : {};
  return pathOf(properties.path) ?? pathOf(properties.url) ?? pathOf(page.path) ?? pathOf(page.url) ?? '(none)';
}

const PATH = /^(?:[a-z][a-z0-9+.-]*:)?(?:\/\/[^/?#]*)?([^?#]*)/i;

function pathOf(value: Json | undefined): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  return PATH.exec(value)?.[1] || '/';
}

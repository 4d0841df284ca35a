import type { Event } from '../../core/event.ts';
import { isObject, type Json } from '../../core/json.ts';
import { boundedText } from './bounded-text.ts';

/** The path of the page an event happened on, without host, query and fragment; undefined when it does not say. */
export function pageOf({ properties, context }: Pick<Event, 'properties' | 'context'>): string | undefined {
  const page = isObject(context.page) ? context.page : {};
  return pathOf(properties.path) ?? pathOf(properties.url) ?? pathOf(page.path) ?? pathOf(page.url);
}

const PATH = /^(?:[a-z][a-z0-9+.-]*:)?(?:\/\/[^/?#]*)?([^?#]*)/i;

function pathOf(value: Json | undefined): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  return boundedText(PATH.exec(value)?.[1] || '/');
}

import type { View } from '../../core/view.ts';
import type { Registry } from '../../store/event-store.ts';
import { eventsByType } from './events-by-type.ts';
import { LEDGER } from './ledger.ts';
import { pageviewsByPage } from './pageviews-by-page.ts';
import { visitors } from './visitors.ts';

/** Every view that events are folded into. A new view is a file beside this one and a line here. */
export const VIEWS: readonly View[] = [eventsByType, pageviewsByPage, visitors];

export function registryOf(views: readonly View[]): Registry {
  return Object.fromEntries([...views, LEDGER].map(({ name, version }) => [name, version]));
}

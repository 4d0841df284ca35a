import type { View } from '../../core/view.ts';
import type { Registry } from '../../store/event-store.ts';
import { LEDGER } from './ledger.ts';
import { propertiesSeen } from './properties-seen.ts';
import { sessions } from './sessions.ts';
import { traffic } from './traffic.ts';

/** Every view that events are folded into. A new view is a file beside this one and a line here. */
export const VIEWS: readonly View[] = [traffic, sessions, propertiesSeen];

export function registryOf(views: readonly View[]): Registry {
  return Object.fromEntries([...views, LEDGER].map(({ name, version }) => [name, version]));
}

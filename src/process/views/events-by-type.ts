import type { View } from '../../core/view.ts';
import { bucketsOf } from './buckets.ts';
import { type Counts, countsCodec, countValue, mergeCounts } from './counts.ts';

/** Events, by event type. */
export const eventsByType: View<Counts> = {
  ...countsCodec,
  name: 'events-by-type',
  version: 1,
  keys: (event) => bucketsOf(event.timestamp),
  fold: (state, event) => countValue(state, event.eventType),
  merge: mergeCounts,
};

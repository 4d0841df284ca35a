import type { Identity } from '../core/event.ts';
import type { View } from '../core/view.ts';
import type { LaneRecord } from '../log/event-log.ts';
import type { EventStore, VisitorKey } from '../store/event-store.ts';
import { decide } from './decide.ts';
import { type Decoded, decode } from './decode.ts';
import { VIEWS } from './views/registry.ts';

export interface BatchResult {
  /** The last sequence done. What came after it in the batch is to be sent again. */
  readonly done: bigint;
  /** Events put into the store; the rest were duplicates or are set aside. */
  readonly stored: number;
}

/**
 * Processes records of one lane, given in order: load, decide, apply. Driven by whatever feeds the lane. Safe to call
 * again with the same records, or any that overlap, whatever became of the call before. Throws what the store throws.
 */
export async function processBatch(
  batch: { readonly lane: string; readonly records: readonly LaneRecord[]; readonly views?: readonly View[] },
  store: EventStore,
): Promise<BatchResult> {
  const { lane, views = VIEWS } = batch;
  const records = batch.records.map(decode);
  const loaded = await store.load(lane, keysOf(records));
  const known = new Map(loaded.known);
  for (;;) {
    const decided = decide({ lane, loaded: { ...loaded, known }, records, views });
    if (decided.kind === 'nothing') return { done: loaded.lane?.done ?? -1n, stored: 0 };
    const applied = await store.apply(decided.decision);
    if (applied.kind === 'applied') {
      return { done: decided.decision.becomes.done, stored: decided.decision.events.length };
    }
    const before = known.size;
    for (const [key, event] of applied.known) known.set(key, event);
    if (known.size === before) throw new Error('the store contradicts a decision without a reason');
  }
}

/** What the decision will need to know: every visitor and every identity of the records. */
function keysOf(records: readonly Decoded[]): Parameters<EventStore['load']>[1] {
  const visitors = new Map<string, VisitorKey>();
  const identities: Identity[] = [];
  for (const record of records) {
    if (record.kind !== 'events') continue;
    for (const item of record.items) {
      if (item.kind !== 'event') continue;
      visitors.set(item.visitorText, item.visitor);
      identities.push(item.identity);
    }
  }
  return { visitors: [...visitors.values()], identities };
}

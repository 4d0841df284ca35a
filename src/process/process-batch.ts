import type { Identity } from '../core/event.ts';
import type { LaneRecord } from '../log/event-log.ts';
import { type EventStore, type VisitorKey, visitorText } from '../store/event-store.ts';
import { decide, type Steps } from './decide.ts';
import { type Opened, open, readItems } from './decode.ts';
import { createEnrich } from './enrich.ts';
import { VIEWS } from './views/registry.ts';

export interface BatchResult {
  /** The last sequence done. What came after it in the batch is to be sent again. */
  readonly done: bigint;
  /** Events put into the store; the rest were duplicates or are set aside. */
  readonly stored: number;
}

/** Everything is counted, nothing is known of the source's own sites, and every event fits. */
const DEFAULT_STEPS: Steps = { views: VIEWS, check: () => undefined, enrich: createEnrich({ domains: () => [] }) };

/**
 * Processes records of one lane, given in order: load, decide, apply. Driven by whatever feeds the lane. Safe to call
 * again with the same records, or any that overlap, whatever became of the call before. Throws what the store throws.
 */
export async function processBatch(
  batch: { readonly lane: string; readonly records: readonly LaneRecord[]; readonly steps?: Partial<Steps> },
  store: Pick<EventStore, 'load' | 'apply' | 'erasedUntil'>,
): Promise<BatchResult> {
  const { lane } = batch;
  const steps = { ...DEFAULT_STEPS, ...batch.steps };
  const records = batch.records.map(open);
  const loaded = await store.load(lane, keysOf(records));
  const known = new Map(loaded.known);
  const erased = new Map<string, string>();
  for (;;) {
    const decided = decide({ lane, loaded: { ...loaded, known, erased }, records, steps });
    if (decided.kind === 'nothing') return { done: loaded.lane?.done ?? -1n, stored: 0 };
    if (decided.kind === 'asks') {
      const until = await store.erasedUntil([...decided.ids.values()]);
      for (const text of decided.ids.keys()) erased.set(text, until.get(text) ?? '');
      continue;
    }
    const applied = await store.apply(decided.decision);
    if (applied.kind === 'applied') {
      return { done: decided.decision.becomes.done, stored: decided.decision.events.length };
    }
    const before = known.size;
    for (const [key, event] of applied.known) known.set(key, event);
    if (known.size === before) throw new Error('the store contradicts a decision without a reason');
  }
}

/** What the decision will need to know: every visitor and, for who asks, every identity of the records. */
function keysOf(records: readonly Opened[]): Parameters<EventStore['load']>[1] {
  const visitors = new Map<string, VisitorKey>();
  for (const { header, kind } of records) {
    if (kind === 'poison') continue;
    const key = { source: header.source, visitor: header.visitor };
    visitors.set(visitorText(key), key);
  }
  return { visitors, identities: () => records.flatMap(identitiesOf) };
}

function identitiesOf(record: Opened): readonly Identity[] {
  if (record.kind !== 'events') return [];
  try {
    record.items = readItems(record);
    return record.items.flatMap((item) => (item.kind === 'event' ? [item.identity] : []));
  } catch {
    // It cannot be read, and will be a dead record.
    return [];
  }
}

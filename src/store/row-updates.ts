import type { View } from '../core/view.ts';
import type { EventPosition, PassedOver, RowKey, RowUpdate, StoredEvent } from './event-store.ts';

/** What stored events, in the order of their arrival, bring to a view's rows, in the lanes that `laneFor` names. Pure. */
export function updatesOf(
  view: View,
  events: readonly StoredEvent[],
  laneFor: (event: StoredEvent) => string,
): readonly RowUpdate[] {
  const folded = new Map<
    string,
    { readonly source: string; readonly lane: string; readonly at: string; all: unknown }
  >();
  for (const [order, event] of events.entries()) {
    const at = view.at(event, event.facts);
    if (at === undefined) continue;
    const [source, lane] = [event.source, laneFor(event)];
    const text = `${source}\0${lane}\0${at}`;
    const delta = folded.get(text) ?? { source, lane, at, all: view.empty() };
    delta.all = view.fold(delta.all, event, event.facts, order);
    folded.set(text, delta);
  }
  const updates = new Map<string, RowUpdate & { readonly deltas: unknown[] }>();
  for (const { source, lane, at, all } of folded.values()) {
    for (const bucket of view.buckets(at)) {
      const text = `${source}\0${lane}\0${bucket}`;
      const key = { view: view.name, version: view.version, source, bucket, lane };
      const update = updates.get(text) ?? { key, row: view, deltas: [] };
      update.deltas.push(all);
      updates.set(text, update);
    }
  }
  return [...updates.values()];
}

/** All of them, with why of the first. */
export function describePassed(passed: readonly PassedOver[]): string {
  const [first] = passed;
  const fault = first?.fault instanceof Error ? first.fault.message : String(first?.fault);
  return `passed over, for they cannot be read or folded (${fault}): ${passed.map(({ what }) => what).join(', ')}`;
}

/** How an adapter's stored events become those that views fold. */
interface StoredReading<Stored> {
  readonly read: (stored: Stored) => StoredEvent;
  readonly positionOf: (stored: Stored) => EventPosition;
  readonly laneFor: (event: StoredEvent) => string;
}

/**
 * The same of events as they lie in a store, for a rebuild. One that cannot be read, or that the view cannot fold, keeps no other
 * from being folded: it is passed over, and named.
 */
export function updatesOfStored<Stored>(
  view: View,
  stored: readonly Stored[],
  { read, positionOf, laneFor }: StoredReading<Stored>,
): { readonly updates: readonly RowUpdate[]; readonly passed: readonly PassedOver[] } {
  try {
    return { updates: updatesOf(view, stored.map(read), laneFor), passed: [] };
  } catch {
    // Which of them it was, each alone tells: a fold that throws may have changed what it was given.
  }
  const events: StoredEvent[] = [];
  const passed: PassedOver[] = [];
  for (const one of stored) {
    try {
      const event = read(one);
      updatesOf(view, [event], laneFor);
      events.push(event);
    } catch (fault) {
      const { lane, sequence, index } = positionOf(one);
      passed.push({ what: `event ${lane}:${sequence}:${index}`, fault });
    }
  }
  return { updates: updatesOf(view, events, laneFor), passed };
}

/** The text of a row that is kept as it is, decoded. One that cannot be read is passed over, and named: readers could not read it either. */
export function keptDeltas(
  view: View,
  rows: readonly { readonly key: Pick<RowKey, 'source' | 'bucket' | 'lane'>; readonly text: string }[],
): { readonly deltas: readonly unknown[]; readonly passed: readonly PassedOver[] } {
  const deltas: unknown[] = [];
  const passed: PassedOver[] = [];
  for (const { key, text } of rows) {
    try {
      deltas.push(view.decode(text));
    } catch (fault) {
      passed.push({ what: `row ${key.source} ${key.bucket} of lane ${key.lane}`, fault });
    }
  }
  return { deltas, passed };
}

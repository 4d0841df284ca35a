import type { View } from '../core/view.ts';
import type { RowUpdate, StoredEvent } from './event-store.ts';

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

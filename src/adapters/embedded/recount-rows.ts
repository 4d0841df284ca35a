import type { Facts, View } from '../../core/view.ts';
import type { RowUpdate } from '../../store/event-store.ts';
import { type EventRow, eventOf } from './stored-rows.ts';

/** What stored events, in the order of their arrival, bring to a view's rows, in the lanes that `laneFor` names. */
export function updatesOf(
  view: View,
  events: readonly EventRow[],
  laneFor: (event: EventRow) => string,
): readonly RowUpdate[] {
  const folded = new Map<
    string,
    { readonly source: string; readonly lane: string; readonly at: string; all: unknown }
  >();
  for (const [order, row] of events.entries()) {
    const event = eventOf(row);
    const facts = JSON.parse(row.facts) as Facts;
    const at = view.at(event, facts);
    if (at === undefined) continue;
    const [source, lane] = [row.source, laneFor(row)];
    const text = `${source}\0${lane}\0${at}`;
    const delta = folded.get(text) ?? { source, lane, at, all: view.empty() };
    delta.all = view.fold(delta.all, event, facts, order);
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

import { type Event, visitorOf } from '../../core/event.ts';
import type { Facts, View } from '../../core/view.ts';
import { DIMENSIONS, NONE, openingOf, TOTAL, valuesOf } from './dimensions.ts';
import { type CellKind, type Table, Tables } from './table.ts';
import { bucketsOf, minuteOf } from './times.ts';
import { COARSE, FINE, hashOf, type Precision, Uniques } from './uniques.ts';

/** What is counted of events, when they happened. */
export interface Traffic {
  events: number;
  /** Events of type page. */
  pageviews: number;
  /** Devices. */
  readonly visitors: Uniques;
  /** Known people. */
  readonly users: Uniques;
}

function precisionOf(dimension: string): Precision {
  return dimension === TOTAL ? FINE : COARSE;
}

const cells: CellKind<Traffic> = {
  empty(dimension) {
    const precision = precisionOf(dimension);
    return { events: 0, pageviews: 0, visitors: new Uniques(precision), users: new Uniques(precision) };
  },
  add(cell, other) {
    cell.events += other.events;
    cell.pageviews += other.pageviews;
    cell.visitors.addAll(other.visitors);
    cell.users.addAll(other.users);
  },
  isZero: ({ events }) => events === 0,
  encode: ({ events, pageviews, visitors, users }) => [events, pageviews, visitors.encode(), users.encode()],
  decode([events, pageviews, visitors, users], dimension) {
    const precision = precisionOf(dimension);
    return {
      events: Number(events),
      pageviews: Number(pageviews),
      visitors: Uniques.decode(String(visitors), precision),
      users: Uniques.decode(String(users), precision),
    };
  },
};

export const trafficTables = new Tables(cells);

const SPLITS = DIMENSIONS.filter(({ of }) => of !== 'exit');

/** Events, pageviews, visitors and users, by all dimensions but exitPage, which nobody knows while an event happens. */
export const traffic: View<Table<Traffic>> = {
  ...trafficTables.rows,
  name: 'traffic',
  version: 1,
  at: ({ timestamp }, { enriched }) => minuteOf(timestamp, enriched.bot === true),
  fold: foldEvent,
  buckets: bucketsOf(SPLITS),
};

function foldEvent(table: Table<Traffic>, event: Event, facts: Facts, order: number): Table<Traffic> {
  const own = valuesOf(event, facts);
  const opening = openingOf(own, facts);
  const isPageview = event.eventType === 'page';
  const visitor = hashOf(`${event.source}\0${visitorOf(event)}`);
  // A device is one within a source; a person is one everywhere.
  const user = event.userId === undefined ? undefined : hashOf(event.userId);
  const count = (dimension: string, value: string) => {
    const cell = trafficTables.cell(table, { dimension, value, order });
    cell.events += 1;
    if (isPageview) cell.pageviews += 1;
    cell.visitors.add(visitor);
    if (user !== undefined) cell.users.add(user);
  };
  count(TOTAL, TOTAL);
  for (const dimension of SPLITS) {
    count(dimension.name, dimension.value(dimension.of === 'event' ? own : opening) || NONE);
  }
  return table;
}

import { LIMITS } from './core/limits.ts';
import { DIMENSIONS, type Dimension, TOTAL } from './process/views/dimensions.ts';
import { sessions, sessionTables } from './process/views/sessions.ts';
import type { Table, Tables } from './process/views/table.ts';
import { traffic, trafficTables } from './process/views/traffic.ts';
import type { Measure, Measures, Part, Split, Total } from './query/stats.ts';

const ALL = DIMENSIONS;
/** Where an event's session will end is not known while it happens. */
const KNOWN = DIMENSIONS.filter(({ of }) => of !== 'exit');

/** What can be measured, and by what: each measure is a line, and each dimension one in process/views/dimensions.ts. */
export const MEASURES: Measures = {
  events: measure(traffic.name, trafficTables, KNOWN, ({ events }) => events),
  pageviews: measure(traffic.name, trafficTables, KNOWN, ({ pageviews }) => pageviews),
  visitors: measure(traffic.name, trafficTables, KNOWN, ({ visitors }) => visitors.count()),
  users: measure(traffic.name, trafficTables, KNOWN, ({ users }) => users.count()),
  newVisitors: measure(sessions.name, sessionTables, ALL, ({ newVisitors }) => newVisitors),
  sessions: measure(sessions.name, sessionTables, ALL, ({ sessions: count }) => count),
  bounces: measure(sessions.name, sessionTables, ALL, ({ bounces }) => bounces),
  sessionSeconds: measure(sessions.name, sessionTables, ALL, ({ seconds }) => seconds),
};

/** Reads one number of the cells of a view's tables. */
function measure<Cell>(
  view: string,
  tables: Tables<Cell>,
  dimensions: readonly Dimension[],
  numberOf: (cell: Cell) => number,
): Measure {
  const split = (part: string) => {
    const values = (table: Table<Cell>) => {
      const numbers = [...tables.values(table, part)].map(([value, cell]) => [value, numberOf(cell)] as const);
      return new Map(numbers.filter(([, number]) => number !== 0));
    };
    const reading: Part<Table<Cell>> = {
      view,
      part,
      empty: () => tables.empty(),
      decode: (text) => tables.decode(text, { dimension: part }),
      add: (table, other) => tables.addAll(table, other, LIMITS.statsRowsMax),
    };
    const at = (value: string): Total<Table<Cell>> => ({
      ...reading,
      decode: (text) => tables.decode(text, { dimension: part, value }),
      value: (table) => values(table).get(value) ?? 0,
    });
    // The table of measures forgets what each one's cells are.
    return { ...reading, values, at } as Split;
  };
  return {
    total: split(TOTAL).at(TOTAL),
    by: Object.fromEntries(dimensions.map(({ name }) => [name, split(name)])),
  };
}

import type { Event } from '../../core/event.ts';
import type { Facts, SessionStanding, View } from '../../core/view.ts';
import { DIMENSIONS, NONE, openingOf, TOTAL, valuesOf } from './dimensions.ts';
import { type CellKind, type Table, Tables } from './table.ts';
import { bucketsOf, minuteOf } from './times.ts';

/** What is counted of sessions, where each starts. */
export interface Sessions {
  sessions: number;
  bounces: number;
  seconds: number;
  /** Sessions that are a visitor's first. */
  newVisitors: number;
}

const cells: CellKind<Sessions> = {
  empty: () => ({ sessions: 0, bounces: 0, seconds: 0, newVisitors: 0 }),
  add(cell, other) {
    cell.sessions += other.sessions;
    cell.bounces += other.bounces;
    cell.seconds += other.seconds;
    cell.newVisitors += other.newVisitors;
  },
  isZero: ({ sessions, bounces, seconds, newVisitors }) =>
    sessions === 0 && bounces === 0 && seconds === 0 && newVisitors === 0,
  encode: ({ sessions, bounces, seconds, newVisitors }) => [sessions, bounces, seconds, newVisitors],
  decode: ([sessions, bounces, seconds, newVisitors]) => ({
    sessions: Number(sessions),
    bounces: Number(bounces),
    seconds: Number(seconds),
    newVisitors: Number(newVisitors),
  }),
};

export const sessionTables = new Tables(cells);

/**
 * Sessions, bounces, their seconds and new visitors. A session counts once, where it starts, by the values of its first event,
 * and by its latest page; each event that changes it takes back what it was and adds what it is, so all is right at every
 * moment.
 */
export const sessions: View<Table<Sessions>> = {
  ...sessionTables.rows,
  name: 'sessions',
  version: 1,
  at(event, facts) {
    if (facts.after === undefined) return undefined;
    const { bot } = openingOf(valuesOf(event, facts), facts);
    return minuteOf(facts.sessionStart, bot === true);
  },
  fold: foldChange,
  buckets: bucketsOf(DIMENSIONS),
};

function foldChange(table: Table<Sessions>, event: Event, facts: Facts, order: number): Table<Sessions> {
  const { before, after } = facts;
  if (after === undefined) return table;
  const count = (dimension: string, value: string | undefined, change: Sessions) => {
    cells.add(sessionTables.cell(table, { dimension, value: value || NONE, order }), change);
  };
  const isNew = facts.newVisitorSession === true;
  const taken = before && countOf(before, -1, isNew);
  const given = countOf(after, 1, isNew);
  const change = { ...given };
  if (taken !== undefined) cells.add(change, taken);
  const opening = openingOf(valuesOf(event, facts), facts);
  count(TOTAL, TOTAL, change);
  for (const { name, of, value } of DIMENSIONS) {
    if (of !== 'exit') {
      count(name, value(opening), change);
    } else if (before === undefined || taken === undefined || before.exitPage === after.exitPage) {
      count(name, after.exitPage, change);
    } else {
      count(name, before.exitPage, taken);
      count(name, after.exitPage, given);
    }
  }
  return table;
}

function countOf({ bounced, seconds }: SessionStanding, sign: 1 | -1, isNew: boolean): Sessions {
  return { sessions: sign, bounces: bounced ? sign : 0, seconds: sign * seconds, newVisitors: isNew ? sign : 0 };
}

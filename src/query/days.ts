const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Days shorter or longer than this are not known: zones have skipped a day, and moved by a few hours within one. */
const SHORTEST_DAY_HOURS = 12;
const LONGEST_DAY_HOURS = 60;

/**
 * Borders of the local days of a zone that overlap [from, to): the start of the first, of each one after, and the end of
 * the last, in epoch milliseconds on whole minutes. A day starts at the first minute with its date, so it has 23 or 25
 * hours where the clock is moved, and starts at 01:00 where midnight is skipped. Needs `from` to be in 1970 or later.
 */
export function dayBorders({ from, to, zone }: { readonly from: number; readonly to: number; readonly zone: string }) {
  const dateOf = localDate(zone);
  const borders = [startOfDay(from, dateOf)];
  for (let border = borders[0] ?? from; border < to; ) {
    border = endOfDay(border, dateOf);
    borders.push(border);
  }
  return borders;
}

type DateOf = (ms: number) => string;

/** The date that a clock of the zone shows, as a text that orders: Swedish writes dates in ISO 8601. */
function localDate(zone: string): DateOf {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  });
  return (ms) => format.format(ms);
}

function startOfDay(ms: number, dateOf: DateOf): number {
  const minute = Math.floor(ms / MINUTE_MS) * MINUTE_MS;
  const date = dateOf(minute);
  for (let hours = 1; hours <= LONGEST_DAY_HOURS; hours += 1) {
    const before = minute - hours * HOUR_MS;
    if (dateOf(before) < date)
      return firstMinute({ after: before, upTo: before + HOUR_MS, is: (t) => dateOf(t) >= date });
  }
  throw new Error(`no start of the day ${date} found before ${minute}`);
}

function endOfDay(start: number, dateOf: DateOf): number {
  const date = dateOf(start);
  for (let hours = SHORTEST_DAY_HOURS; hours <= LONGEST_DAY_HOURS; hours += 1) {
    const later = start + hours * HOUR_MS;
    if (dateOf(later) > date) return firstMinute({ after: later - HOUR_MS, upTo: later, is: (t) => dateOf(t) > date });
  }
  throw new Error(`no end of the day ${date} found after ${start}`);
}

/** The first minute in (after, upTo] that `is`, where `upTo` is and `after` is not. */
function firstMinute(search: { readonly after: number; readonly upTo: number; readonly is: (ms: number) => boolean }) {
  let { after, upTo } = search;
  while (upTo - after > MINUTE_MS) {
    const middle = after + Math.floor((upTo - after) / 2 / MINUTE_MS) * MINUTE_MS;
    if (search.is(middle)) upTo = middle;
    else after = middle;
  }
  return upTo;
}

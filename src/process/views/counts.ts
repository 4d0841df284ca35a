import { LIMITS } from '../../core/limits.ts';
import type { RowCodec } from '../../core/view.ts';

/** A count in all, and of each value. What a row's values exceed is counted under OTHER. */
export interface Counts {
  total: number;
  readonly values: Map<string, number>;
}

export const OTHER = '(other)';

export const countsCodec: RowCodec<Counts> = {
  empty: () => ({ total: 0, values: new Map() }),
  encode: ({ total, values }) => JSON.stringify([total, ...[...values].sort(byValue)]),
  decode(text) {
    const [total, ...values] = JSON.parse(text) as [number, ...[string, number][]];
    return { total, values: new Map(values) };
  },
};

/** Counts one of `value` into `state`. The first `rowValuesMax` values of a row have a count of their own. */
export function countValue(state: Counts, value: string): Counts {
  const cut = value.length > LIMITS.rowKeyCharsMax ? `${value.slice(0, LIMITS.rowKeyCharsMax - 1)}…` : value;
  const key = state.values.has(cut) || state.values.size < LIMITS.rowValuesMax ? cut : OTHER;
  state.values.set(key, (state.values.get(key) ?? 0) + 1);
  state.total += 1;
  return state;
}

export function mergeCounts(a: Counts, b: Counts): Counts {
  const values = new Map(a.values);
  for (const [value, count] of b.values) values.set(value, (values.get(value) ?? 0) + count);
  return { total: a.total + b.total, values };
}

function byValue([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

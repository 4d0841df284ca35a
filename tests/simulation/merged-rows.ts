import type { Table, Tables } from '../../src/process/views/table.ts';

/** What readers see: rows of all lanes merged, by source and bucket, then dimension and value; nothing of what is nothing. */
export function merged<Cell>(
  tables: Tables<Cell>,
  rows: readonly { readonly key: { readonly source: string; readonly bucket: string }; readonly text: string }[],
): ReadonlyMap<string, string> {
  const states = new Map<string, Table<Cell>>();
  for (const { key, text } of rows) {
    const name = `${key.source} ${key.bucket}`;
    states.set(name, tables.addAll(states.get(name) ?? tables.empty(), tables.decode(text)));
  }
  const seen = new Map<string, string>();
  for (const [name, table] of states) {
    const whole: Table<Cell> = new Map();
    for (const dimension of table.keys()) {
      const counted = { order: 0, text: undefined };
      const cells = [...tables.values(table, dimension)].map(([value, cell]) => [value, { ...counted, cell }] as const);
      whole.set(dimension, { byValue: new Map(cells), sorted: undefined });
    }
    const text = tables.encode(whole);
    if (text !== '') seen.set(name, text);
  }
  return seen;
}

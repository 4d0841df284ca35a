import { LIMITS } from '../../core/limits.ts';
import { readJson } from '../../core/read-json.ts';
import type { RowFold, View } from '../../core/view.ts';
import { partOf } from './times.ts';

/** What is counted of one value of a dimension. */
export interface CellKind<Cell> {
  empty(dimension: string): Cell;
  /** Adds `other` to `cell`, and leaves `other` as it is. */
  add(cell: Cell, other: Cell): void;
  /** Nothing: as if it had never been counted. */
  isZero(cell: Cell): boolean;
  encode(cell: Cell): readonly (number | string)[];
  decode(fields: readonly (number | string)[], dimension: string): Cell;
}

interface Counted<Cell> {
  readonly cell: Cell;
  /** Tells which value came first. */
  readonly order: number;
  /** Value and cell as they are written, unless the cell may have changed since: of a large row, little does at a time. */
  text: string | undefined;
}

/** The cells of a dimension. */
interface Cells<Cell> {
  readonly byValue: Map<string, Counted<Cell>>;
  /** In order of value; undefined when one was added. */
  sorted: readonly (readonly [value: string, counted: Counted<Cell>])[] | undefined;
}

/** What happened in a time: by dimension and value. */
export type Table<Cell> = Map<string, Cells<Cell>>;

export const OTHER = '(other)';

interface CellPlace {
  readonly dimension: string;
  readonly value: string;
  readonly order: number;
}

/** Tables of cells of one kind: how they are counted into, put into rows, merged, and written. */
export class Tables<Cell> {
  readonly #kind: CellKind<Cell>;

  constructor(kind: CellKind<Cell>) {
    this.#kind = kind;
  }

  empty(): Table<Cell> {
    return new Map();
  }

  /** What a view of such tables has in common with others. */
  get rows(): RowFold<Table<Cell>> & Pick<View<Table<Cell>>, 'merge'> {
    return {
      empty: () => this.empty(),
      encode: (table) => this.encode(table),
      decode: (text) => this.decode(text),
      absorb: (row, deltas, bucket) => this.absorb(row, deltas, partOf(bucket)),
      merge: (a, b) => this.merge(a, b),
    };
  }

  /** The cell to count a value in; made when it is new. `order` is the event's place among those folded. */
  cell(table: Table<Cell>, { dimension, value, order }: CellPlace): Cell {
    const cells = cellsOf(table, dimension);
    const key = value.length > LIMITS.rowKeyCharsMax ? `${value.slice(0, LIMITS.rowKeyCharsMax - 1)}…` : value;
    const found = cells.byValue.get(key);
    if (found !== undefined) return touched(found);
    const cell = this.#kind.empty(dimension);
    cells.byValue.set(key, { cell, order, text: undefined });
    cells.sorted = undefined;
    return cell;
  }

  /**
   * Puts deltas into a row, of all dimensions or of one. The first `rowValuesMax` values of a dimension have cells of their
   * own, for good: so what is taken back of a value is taken from where it was counted, however events came in batches.
   */
  absorb(row: Table<Cell>, deltas: readonly Table<Cell>[], only?: string): Table<Cell> {
    const names = only === undefined ? new Set(deltas.flatMap((delta) => [...delta.keys()])) : [only];
    for (const dimension of names) this.#absorbCells(row, deltas, dimension);
    return row;
  }

  #absorbCells(row: Table<Cell>, deltas: readonly Table<Cell>[], dimension: string): void {
    const cells = cellsOf(row, dimension);
    const unknown: { readonly value: string; readonly cell: Cell; readonly order: number }[] = [];
    for (const delta of deltas) {
      for (const [value, { cell, order }] of delta.get(dimension)?.byValue ?? []) {
        const known = cells.byValue.get(value);
        if (known !== undefined) this.#kind.add(touched(known), cell);
        else unknown.push({ value, cell, order });
      }
    }
    if (deltas.length > 1 && cells.byValue.size + unknown.length > LIMITS.rowValuesMax)
      unknown.sort((a, b) => a.order - b.order);
    for (const { value, cell, order } of unknown) {
      const hasOwn = cells.byValue.has(value) || cells.byValue.size < LIMITS.rowValuesMax;
      this.#kind.add(this.cell(row, { dimension, value: hasOwn ? value : OTHER, order }), cell);
    }
  }

  merge(a: Table<Cell>, b: Table<Cell>): Table<Cell> {
    return this.addAll(this.addAll(this.empty(), a), b);
  }

  /** The table with the other in it. Of a dimension that has `valuesMax` values, what is new is counted under "(other)". */
  addAll(table: Table<Cell>, other: Table<Cell>, valuesMax = Number.POSITIVE_INFINITY): Table<Cell> {
    for (const [dimension, { byValue: others }] of other) {
      const { byValue } = cellsOf(table, dimension);
      for (const [value, { cell }] of others) {
        const hasOwn = byValue.size < valuesMax || byValue.has(value);
        this.#kind.add(this.cell(table, { dimension, value: hasOwn ? value : OTHER, order: 0 }), cell);
      }
    }
    return table;
  }

  /** A line a dimension: its name, then its values as JSON. */
  encode(table: Table<Cell>): string {
    const lines: string[] = [];
    for (const [dimension, cells] of table) {
      cells.sorted ??= [...cells.byValue].sort(([a], [b]) => (a < b ? -1 : 1));
      const texts = cells.sorted.map(([value, counted]) => {
        counted.text ??= JSON.stringify([value, ...this.#kind.encode(counted.cell)]);
        return counted.text;
      });
      if (texts.length > 0) lines.push(`${dimension} [${texts.join()}]`);
    }
    return lines.sort().join('\n');
  }

  /** All of a row's text, or one dimension of it, or one value of that. */
  decode(text: string, only: { readonly dimension?: string; readonly value?: string } = {}): Table<Cell> {
    const table = this.empty();
    for (const line of text === '' ? [] : text.split('\n')) {
      const space = line.indexOf(' ');
      const dimension = line.slice(0, space);
      if (only.dimension !== undefined && dimension !== only.dimension) continue;
      for (const [value, ...fields] of readJson(line.slice(space + 1)) as [string, ...(number | string)[]][]) {
        if (only.value !== undefined && value !== only.value) continue;
        const cell = this.#kind.decode(fields, dimension);
        cellsOf(table, dimension).byValue.set(value, { cell, order: 0, text: undefined });
      }
    }
    return table;
  }

  /** What is counted of each value of a dimension; what was taken back whole is left out. */
  values(table: Table<Cell>, dimension: string): ReadonlyMap<string, Cell> {
    const values = new Map<string, Cell>();
    for (const [value, { cell }] of table.get(dimension)?.byValue ?? []) {
      if (!this.#kind.isZero(cell)) values.set(value, cell);
    }
    return values;
  }
}

function cellsOf<Cell>(table: Table<Cell>, dimension: string): Cells<Cell> {
  let cells = table.get(dimension);
  if (cells === undefined) {
    cells = { byValue: new Map(), sorted: undefined };
    table.set(dimension, cells);
  }
  return cells;
}

/** The cell, which is to be changed. */
function touched<Cell>(counted: Counted<Cell>): Cell {
  counted.text = undefined;
  return counted.cell;
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../../core/limits.ts';
import type { RowFold } from '../../core/view.ts';
import { openDatabase } from './schema.ts';
import { ViewRows } from './view-rows.ts';

let folder: string;
let database: DatabaseSync;
let rows: ViewRows;
let decoded: string[];

/** Texts that grow. */
const fold: RowFold<string> = {
  empty: () => '',
  encode: (text) => text,
  decode(text) {
    decoded.push(text.slice(0, 1));
    return text;
  },
  absorb: (text, deltas) => text + deltas.join(''),
};

function absorb(bucket: string, more: string): void {
  const key = { view: 'texts', version: 1, source: 'shop', bucket, lane: 'local' };
  rows.absorb({ key, row: fold, deltas: [more] });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'view-rows-'));
  database = openDatabase(folder);
  rows = new ViewRows(database);
  decoded = [];
});

afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

describe('rows of views', () => {
  const half = LIMITS.storeRowsCachedChars / 2;

  it('that were written last stay decoded, whatever their size', () => {
    for (const bucket of ['a', 'b', 'c']) absorb(bucket, bucket.repeat(half));
    rows.write();
    for (const bucket of ['a', 'b', 'c']) absorb(bucket, bucket);
    rows.write();
    expect(decoded).toEqual([]);
  });

  it('are let go beside them, the oldest first, down to the limit', () => {
    for (const bucket of ['a', 'b', 'c']) absorb(bucket, bucket.repeat(half));
    rows.write();
    absorb('d', 'd');
    rows.write();
    for (const bucket of ['a', 'b', 'c', 'd']) absorb(bucket, bucket);
    expect(decoded).toEqual(['a', 'b']);
    rows.write();
    const lengths = database.prepare('SELECT length(value) AS chars FROM rows ORDER BY bucket').all();
    expect(lengths.map(({ chars }) => chars)).toEqual([half + 1, half + 1, half + 1, 2]);
  });
});

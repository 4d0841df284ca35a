import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { BoundedCache, Names } from './names.ts';

it('keeps what is used and forgets what is not, within its bound', () => {
  const cache = new BoundedCache<number>(10);
  cache.set('used', -1);
  for (let entry = 0; entry < 100; entry += 1) {
    cache.set(`once-${entry}`, entry);
    expect(cache.get('used')).toBe(-1);
  }
  const kept = Array.from({ length: 100 }, (_, entry) => cache.get(`once-${entry}`)).filter(
    (entry) => entry !== undefined,
  );
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.length).toBeLessThan(10);
  cache.clear();
  expect(cache.get('used')).toBeUndefined();
});

it('gives a text one integer, and a new one after the insert was rolled back and forgotten', () => {
  const database = new DatabaseSync(':memory:');
  database.exec('CREATE TABLE people (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)');
  const names = new Names(database, 'people');
  expect(names.find('a')).toBeUndefined();
  expect([names.intern('a'), names.intern('b'), names.intern('a')]).toEqual([1, 2, 1]);
  expect(new Names(database, 'people').intern('b')).toBe(2);
  database.exec('BEGIN');
  names.intern('lost');
  database.exec('ROLLBACK');
  names.forget();
  expect(names.find('lost')).toBeUndefined();
  expect([names.intern('c'), names.intern('lost')]).toEqual([3, 4]);
});

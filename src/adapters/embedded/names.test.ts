import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { BoundedCache } from '../../core/bounded-cache.ts';
import { Names } from './names.ts';

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

it('gives a text one integer, and a new one after the insert was rolled back', () => {
  const database = new DatabaseSync(':memory:');
  database.exec('CREATE TABLE people (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)');
  const names = new Names(database, 'people');
  expect(names.find('a')).toBeUndefined();
  expect([names.intern('a'), names.intern('b'), names.intern('a')]).toEqual([1, 2, 1]);
  expect(new Names(database, 'people').intern('b')).toBe(2);
  names.keep();
  database.exec('BEGIN');
  names.intern('lost');
  names.intern('a');
  database.exec('ROLLBACK');
  names.rollBack();
  expect(names.find('lost')).toBeUndefined();
  expect([names.intern('c'), names.intern('lost')]).toEqual([3, 4]);
  // What was there before is there still, read or remembered.
  expect([names.find('a'), names.find('b')]).toEqual([1, 2]);
});

it('forgets on a roll back only what came with the transaction that was rolled back', () => {
  const database = new DatabaseSync(':memory:');
  database.exec('CREATE TABLE people (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)');
  const names = new Names(database, 'people');
  names.intern('kept');
  names.keep();
  // Gone behind its back: what it still says of it, it remembers.
  database.exec("DELETE FROM people WHERE text = 'kept'");
  names.intern('lost');
  names.rollBack();
  expect(names.find('kept')).toBe(1);
  names.forget();
  expect(names.find('kept')).toBeUndefined();
});

it('gives no text the integer of one that was deleted, once it has forgotten', () => {
  const database = new DatabaseSync(':memory:');
  database.exec('CREATE TABLE people (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)');
  const names = new Names(database, 'people');
  expect(names.intern('erased')).toBe(1);
  database.exec('DELETE FROM people');
  names.forget();
  expect(names.intern('other')).toBe(1);
  expect(names.intern('erased')).toBe(2);
});

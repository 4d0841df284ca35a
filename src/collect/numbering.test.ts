import { expect, test } from 'vitest';
import { LIMITS } from '../core/limits.ts';
import { Numbering } from './numbering.ts';

const NOTHING = { events: 0, identities: 0 };

test('numbers start at 0 and nothing is acknowledged yet', () => {
  const numbering = new Numbering('c');
  expect(numbering.witnessed.number).toBe(-1);
  expect(numbering.take(2)).toEqual({ first: 0, count: 2, ackedThrough: -1, voids: [] });
  expect(numbering.take(1)).toEqual({ first: 2, count: 1, ackedThrough: -1, voids: [] });
});

test('every collector has an id of its own', () => {
  expect(new Numbering().collector).toMatch(/^[0-9a-f]{16}$/);
  expect(new Numbering().collector).not.toBe(new Numbering().collector);
});

test('ackedThrough waits for the earliest number that is not settled', () => {
  const numbering = new Numbering();
  const early = numbering.take(1);
  const late = numbering.take(3);
  numbering.acknowledge(late, NOTHING);
  expect(numbering.witnessed.number).toBe(-1);
  expect(numbering.take(1).ackedThrough).toBe(-1);
  numbering.acknowledge(early, NOTHING);
  expect(numbering.take(1).ackedThrough).toBe(3);
});

test('a void is carried until a record that carried it is acknowledged', () => {
  const numbering = new Numbering();
  numbering.fail(numbering.take(2));
  const first = numbering.take(1);
  expect(first).toMatchObject({ ackedThrough: 1, voids: [0, 1] });
  numbering.fail(first);
  const second = numbering.take(1);
  expect(second).toMatchObject({ ackedThrough: 2, voids: [0, 1, 2] });
  numbering.acknowledge(second, NOTHING);
  expect(numbering.take(1)).toMatchObject({ ackedThrough: 3, voids: [] });
  expect(numbering.witnessed.number).toBe(3);
});

test('what is witnessed waits for voids that nobody was told of', () => {
  const numbering = new Numbering();
  const [failed, flying] = [numbering.take(1), numbering.take(1)];
  numbering.fail(failed);
  numbering.acknowledge(flying, NOTHING);
  expect(numbering.witnessed.number).toBe(-1);
  numbering.acknowledge(numbering.take(1), NOTHING);
  expect(numbering.witnessed.number).toBe(2);
});

test('voids that do not fit one header hold ackedThrough back', () => {
  const numbering = new Numbering();
  numbering.fail(numbering.take(LIMITS.recordVoidsMax + 1));
  const first = numbering.take(1);
  expect(first.voids).toHaveLength(LIMITS.recordVoidsMax);
  expect(first.ackedThrough).toBe(LIMITS.recordVoidsMax - 1);
  numbering.acknowledge(first, NOTHING);
  expect(numbering.take(1)).toMatchObject({ voids: [LIMITS.recordVoidsMax], ackedThrough: first.first });
});

test('an outage costs the same however long it is and however many numbers fail in it', () => {
  const numbering = new Numbering();
  const before = numbering.take(3);
  const [tries, numbers] = [10_000, 2 ** 33];
  for (let failed = 0; failed < tries; failed += 1) numbering.fail(numbering.take(numbers));
  expect(numbering.voidsWaiting).toBe(tries * numbers);
  numbering.acknowledge(before, NOTHING);
  const after = numbering.take(1);
  expect(after.voids).toEqual(Array.from({ length: LIMITS.recordVoidsMax }, (_, index) => 3 + index));
  expect(after.ackedThrough).toBe(3 + LIMITS.recordVoidsMax - 1);
  numbering.acknowledge(after, NOTHING);
  expect(numbering.voidsWaiting).toBe(tries * numbers - LIMITS.recordVoidsMax);
  expect(numbering.take(1).voids[0]).toBe(3 + LIMITS.recordVoidsMax);
  expect(numbering.witnessed.number).toBe(3 + LIMITS.recordVoidsMax - 1);
});

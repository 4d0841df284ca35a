import { expect, test } from 'vitest';
import { amountOf, type Counts, changeOf, figureOf } from './figures.ts';

const told = (name: string, now: Counts, before: Counts) => {
  const change = changeOf(figureOf(name), now, before);
  return change && `${change.direction} ${change.words}`;
};

test('a figure is a measure, or one by another', () => {
  expect(amountOf(figureOf('sessions'), { sessions: 8 })).toBe(8);
  expect(amountOf(figureOf('bounceRate'), { sessions: 8, bounces: 2 })).toBe(0.25);
  expect(amountOf(figureOf('sessionLength'), { sessions: 8, sessionSeconds: 400 })).toBe(50);
  expect(amountOf(figureOf('bounceRate'), { sessions: 0, bounces: 0 })).toBeUndefined();
  expect(figureOf('constructor').name).toBe('visitors');
});

test('a change is relative, of a rate in points, and there is none where nothing was before', () => {
  expect(told('visitors', { visitors: 150 }, { visitors: 100 })).toBe('up +50%');
  expect(told('visitors', { visitors: 50 }, { visitors: 100 })).toBe('down -50%');
  expect(told('visitors', { visitors: 100 }, { visitors: 100 })).toBe('same 0%');
  expect(told('visitors', { visitors: 0 }, { visitors: 3 })).toBe('down -100%');
  expect(told('visitors', { visitors: 5 }, { visitors: 0 })).toBeUndefined();
  expect(told('bounceRate', { sessions: 10, bounces: 5 }, { sessions: 10, bounces: 4 })).toBe('up +10 points');
  expect(told('bounceRate', { sessions: 10, bounces: 5 }, { sessions: 10, bounces: 0 })).toBe('up +50 points');
  expect(told('bounceRate', { sessions: 10, bounces: 5 }, { sessions: 0, bounces: 0 })).toBeUndefined();
  expect(told('sessionLength', { sessions: 1, sessionSeconds: 90 }, { sessions: 1, sessionSeconds: 60 })).toBe(
    'up +50%',
  );
  expect(
    told('sessionLength', { sessions: 1, sessionSeconds: 90 }, { sessions: 1, sessionSeconds: 0 }),
  ).toBeUndefined();
});

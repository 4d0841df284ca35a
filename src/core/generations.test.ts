import { describe, expect, test } from 'vitest';
import { inForce, isKept, nextGeneration, versionInForce, versionsRead } from './generations.ts';

const ASKED = { traffic: { code: 2, version: 5, base: 3, askedAtMs: 0 } };

describe('the version of the rows in force', () => {
  test.each([
    ['never asked for', 'sessions', 4, 4],
    ['asked for by this program', 'traffic', 2, 5],
    ['asked for by the program before', 'traffic', 3, 6],
    ['asked for by a newer program', 'traffic', 1, undefined],
  ])('of a view that was %s', (_, name, version, expected) => {
    expect(versionInForce({ name, version }, ASKED)).toBe(expected);
  });

  test('is refused to an older program', () => {
    expect(() => inForce({ name: 'traffic', version: 1 }, ASKED)).toThrow(/newer version/);
  });
});

describe('an asking', () => {
  const view = { name: 'traffic', version: 2 } as Parameters<typeof nextGeneration>[0];
  const lane = (version: number, cut?: bigint) => ({
    registry: { traffic: version },
    cuts: cut === undefined ? {} : { [`traffic@${version}`]: cut },
  });
  const next = (lanes: readonly ReturnType<typeof lane>[], finished: readonly number[] = [], generations = ASKED) =>
    nextGeneration(view, { generations, lanes, isFinished: (version) => finished.includes(version) }, 7);

  test.each([
    ['all lanes fold from their beginning', [lane(5)], []],
    ['what a lane lacked was folded', [lane(5, 4n)], [5]],
    ['there are no lanes', [], []],
  ])('begins a generation, once %s', (_, lanes, finished) => {
    expect(next(lanes, finished)).toEqual({ code: 2, version: 6, base: 3, askedAtMs: 7 });
  });

  test.each([
    ['a lane lacks what came before its cut', [lane(5, 4n), lane(5)]],
    ['a lane has not come to it', [lane(5), lane(4)]],
  ])('is the one under way, while %s', (_, lanes) => {
    expect(next(lanes)).toBeUndefined();
  });

  test('of a newer program counts from what its rows were', () => {
    const newer = { ...view, version: 3 };
    const standing = { generations: ASKED, lanes: [lane(6)], isFinished: () => false };
    expect(nextGeneration(newer, standing, 7)).toEqual({ code: 3, version: 7, base: 6, askedAtMs: 7 });
  });

  test('is refused when a lane is past it', () => {
    expect(() => next([lane(6)])).toThrow(/newer version/);
  });
});

test.each([
  ['nothing is there', {}, []],
  ['it was never asked for', { ready: 3 }, ['3']],
  ['the generation in force is folded anew', { ready: 5, rebuilt: 5, generation: ASKED.traffic }, ['5']],
  ['the one before is', { ready: 4, rebuilt: 4, generation: ASKED.traffic }, ['4', '5 since']],
  ['none of this code is', { ready: 3, rebuilt: 2, generation: ASKED.traffic }, ['3', '4 since', '5 since']],
  [
    'a lane passed over one that others had begun',
    { ready: 4, generation: ASKED.traffic },
    ['3', '4 since', '5 since'],
  ],
  ['no version has rows', { generation: ASKED.traffic }, ['3', '4 since', '5 since']],
  ['a newer program is past it', { ready: 6, rebuilt: 6, generation: ASKED.traffic }, ['6']],
])('when %s, readers of %j read %j', (_, found, expected) => {
  const read = versionsRead({ ready: undefined, rebuilt: undefined, generation: undefined, ...found });
  expect(read.map(({ version, isWhole }) => `${version}${isWhole ? '' : ' since'}`)).toEqual(expected);
});

test.each([
  ['minute/2026-11-23T10:04Z', '2026-11-23T10:04:30.000Z', true],
  ['minute/2026-11-23T10:05Z', '2026-11-23T10:04:30.000Z', false],
  ['bots/minute/2026-11-23T10:03Z', '2026-11-23T10:04:30.000Z', true],
  ['hour/country/2026-11-23T10:00Z', '2026-11-23T10:04:30.000Z', true],
  ['hour/country/2026-11-23T11:00Z', '2026-11-23T10:04:30.000Z', false],
  ['day/2026-11-23', '2026-11-23T10:04:30.000Z', true],
  ['day/2026-11-24', '2026-11-23T10:04:30.000Z', false],
  ['day/2026-11-23', undefined, false],
])('%s, where all before %s is kept: %s', (bucket, keptBefore, expected) => {
  expect(isKept(bucket, keptBefore)).toBe(expected);
});

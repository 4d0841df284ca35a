import { expect, test } from 'vitest';
import { soakPlot } from '../bench/soak-plot.ts';
import { notFlat, type SoakSample, soakCsv } from '../bench/soak-samples.ts';

const LIMITS = { lagBytesMax: 8_000_000 };

/** Samples of an hour; `more` changes each, by its number. */
function soaked(more: (number: number) => Partial<SoakSample> = () => ({})): readonly SoakSample[] {
  return Array.from({ length: 60 }, (_, number) => ({
    seconds: (number + 1) * 60,
    events: (number + 1) * 300_000,
    residentBytes: 400_000_000 + (number % 7) * 5_000_000,
    heapBytes: 100_000_000 + (number % 5) * 20_000_000,
    acknowledgedP50Ms: 2,
    acknowledgedP99Ms: 9 + (number % 3),
    queryableP50Ms: 12,
    queryableP99Ms: 40 + (number % 4),
    logBytes: (number + 1) * 300_000 * 900 + 33_554_432,
    storeBytes: (number + 1) * 300_000 * 800,
    walBytes: 30_000_000,
    lagBytes: 100_000,
    ...more(number),
  }));
}

test('a soak that only drifts is flat', () => {
  expect(notFlat(soaked(), LIMITS)).toEqual([]);
});

test.each<[string, (number: number) => Partial<SoakSample>]>([
  ['residentBytes', (number) => ({ residentBytes: 400_000_000 + number * 10_000_000 })],
  ['heapBytes', (number) => ({ heapBytes: 100_000_000 + number * 5_000_000 })],
  ['acknowledgedP99Ms', (number) => ({ acknowledgedP99Ms: 10 + number ** 2 / 5 })],
  ['queryableP50Ms', (number) => ({ queryableP50Ms: 10 + number ** 2 / 5 })],
  ['logBytes an event', (number) => ({ logBytes: number ** 2 * 10_000_000 })],
  ['storeBytes an event', (number) => ({ storeBytes: number ** 2 * 10_000_000 })],
])('%s that rises on and on is named', (name, more) => {
  expect(notFlat(soaked(more), LIMITS)).toEqual([expect.stringMatching(new RegExp(`^${name} rose from`))]);
});

test('what waits beyond the gate is named, and so is a soak that is too short', () => {
  expect(
    notFlat(
      soaked((number) => (number === 3 ? { lagBytes: 9_000_000 } : {})),
      LIMITS,
    ),
  ).toEqual(['9000000 bytes were not processed, at most 8000000 are held']);
  expect(notFlat(soaked().slice(0, 5), LIMITS)).toHaveLength(1);
});

test('samples are kept as lines, and drawn as one line each', () => {
  const samples = soaked();
  expect(soakCsv(samples).trim().split('\n')).toHaveLength(61);
  const points = [...soakPlot(samples).matchAll(/points="([^"]+)"/g)].map(([, text = '']) => text.split(' '));
  expect(points.map(({ length }) => length)).toEqual(Array(10).fill(60));
  for (const [x, y] of points.flat().map((point) => point.split(',').map(Number))) {
    expect(x).toBeLessThanOrEqual(860);
    expect(y).toBeGreaterThanOrEqual(0);
  }
});

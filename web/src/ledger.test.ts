import { describe, expect, test } from 'vitest';
import type { Audit } from './answers.ts';
import { whole } from './format.ts';
import { barsOf, pictureWords, placesOf, restOf, sumOf, verdictOf } from './ledger.ts';

function audit(of: Partial<Audit> = {}): Audit {
  return {
    ...{ accepted: 0, redelivered: 0, stored: 0, duplicate: 0, bad: 0, dead: 0, forgotten: 0, pending: 0 },
    ...{ balanced: true, lost: 0, unresolved: 0, unwitnessed: 0, expired: 0, badExpired: 0, erased: 0 },
    ...{ waiting: [], lanes: [], problemCount: 0, problems: [], notes: [] },
    ...of,
  };
}

describe('the verdict', () => {
  test.each([
    [{}, 'Nothing to account for yet'],
    [{ accepted: 5, stored: 5 }, 'Balanced'],
    [{ balanced: false, problemCount: 1 }, 'Not balanced: 1 problem'],
    [{ balanced: false, problemCount: 1_200, accepted: 5 }, `Not balanced: ${whole(1_200)} problems`],
    [{ waiting: ['local'] }, 'Balanced'],
  ])('of %j is %j', (of, title) => expect(verdictOf(audit(of)).title).toBe(title));

  test('says what is not processed yet', () => {
    expect(verdictOf(audit({ accepted: 5, stored: 3, pending: 2 })).words).toMatch(
      /^Each of the 5 events .*; 2 are not processed yet\.$/,
    );
  });
});

describe('the picture', () => {
  test('both rows end where what they count ends', () => {
    const bars = barsOf(audit({ accepted: 60, redelivered: 40, stored: 50, duplicate: 40, bad: 1, forgotten: 9 }));
    for (const row of ['came', 'is']) {
      const last = bars.filter((bar) => bar.row === row).at(-1);
      expect((last?.x ?? 0) + (last?.width ?? 0)).toBeCloseTo(998, 5);
    }
    expect(bars.map(({ part }) => part)).toEqual([
      'accepted',
      'redelivered',
      'stored',
      'duplicate',
      'bad',
      'forgotten',
    ]);
  });

  test('one of a million is seen all the same', () => {
    const bars = barsOf(audit({ accepted: 1_000_001, stored: 1_000_000, bad: 1 }));
    expect(bars.find(({ part }) => part === 'bad')?.width).toBeGreaterThanOrEqual(4);
  });

  test('what is lost has a place of its own, even where nothing is known of its length', () => {
    const bars = barsOf(audit({ balanced: false, accepted: 5, stored: 5, lost: 1 }));
    const missing = bars.find(({ part }) => part === 'missing');
    expect(missing?.x).toBeCloseTo(951, 5);
    expect(barsOf(audit({ accepted: 5, stored: 5 })).some(({ part }) => part === 'missing')).toBe(false);
    expect(barsOf(audit({ accepted: 5, stored: 4 })).some(({ part }) => part === 'missing')).toBe(true);
  });

  test('is said in words', () => {
    expect(pictureWords(audit({ accepted: 5, stored: 2, duplicate: 1, bad: 2 }))).toBe(
      '5 events came in; stored 2, duplicate 1, bad 2, dead 0, pending 0',
    );
    expect(pictureWords(audit({ accepted: 1, forgotten: 1, lost: 2 }))).toMatch(/forgotten 1, .*; and 2 records lost$/);
  });
});

test('what was forgotten is a part of the sum', () => {
  expect(sumOf(audit({ stored: 1, forgotten: 2, pending: 4 }))).toBe(7);
});

test('a loss is told first', () => {
  const rest = restOf(audit({ lost: 1, unwitnessed: 2, waiting: ['local'], expired: 3, erased: 1_000 }));
  expect(rest).toEqual([
    '1 record lost: acknowledged, and nowhere.',
    expect.stringMatching(/^2 records not witnessed yet/),
    'Records wait to be processed in local.',
    `Of what was stored, 3 expired and ${whole(1_000)} erased since.`,
  ]);
  expect(restOf(audit())).toEqual([]);
});

test('a problem names its places, as far as they are known', () => {
  const gap = { kind: 'records_lost', detail: '', collector: 'c', number: 0, lane: 'local', sequence: '7', source: '' };
  expect(placesOf(gap)).toBe('lane local · position 7 · collector c · number 0');
});

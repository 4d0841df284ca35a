import { expect, test } from 'vitest';
import { Refusal } from './api.ts';
import { waitMs } from './poll.ts';

const refused = (status: number) => new Refusal('no', { status });

test.each([
  ['a quick answer', { everyMs: 1_000, tookMs: 10 }, 990],
  ['a slow answer: it has a twentieth of the time', { everyMs: 1_000, tookMs: 400 }, 7_600],
  ['a slow answer of what may take half of the time', { everyMs: 1_000, tookMs: 400, share: 0.5 }, 600],
  ['and a slower one', { everyMs: 1_000, tookMs: 1_500, share: 0.5 }, 1_500],
  ['a very slow one', { everyMs: 1_000, tookMs: 60_000 }, 300_000],
  ['a question that is asked once', { everyMs: 0, tookMs: 10 }, Number.POSITIVE_INFINITY],
  ['a refusal', { everyMs: 10_000, tookMs: 10, failure: refused(503) }, 9_990],
  ['a slow refusal', { everyMs: 10_000, tookMs: 30_000, failure: refused(503) }, 300_000],
  ['a refusal of what is asked once', { everyMs: 0, tookMs: 10, failure: refused(503) }, 1_990],
  ['a token that is asked for', { everyMs: 1_000, tookMs: 10, failure: refused(401) }, Number.POSITIVE_INFINITY],
  ['a question that is wrong', { everyMs: 1_000, tookMs: 10, failure: refused(400) }, 60_000],
  [
    'a question that is wrong, and is asked once',
    { everyMs: 0, tookMs: 10, failure: refused(404) },
    Number.POSITIVE_INFINITY,
  ],
  ['too many questions', { everyMs: 10_000, tookMs: 10, failure: refused(429) }, 9_990],
  ['nobody who answers', { everyMs: 1_000, tookMs: 3, failure: refused(0) }, 2_000],
  ['nobody who answers in time', { everyMs: 1_000, tookMs: 5_000, failure: refused(0) }, 5_000],
  ['a fault of the page', { everyMs: 1_000, tookMs: 0, failure: new TypeError('x is undefined') }, 1_000],
])('after %s', (_, asked, expected) => {
  expect(waitMs(asked)).toBeCloseTo(expected, 6);
});

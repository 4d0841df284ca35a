import { describe, expect, test } from 'vitest';
import { AGENTS, type Happening, PLACES, requestOf, type SentRequest, SITE } from '../histories.ts';
import { type Question, type Row, recount, sessionsOf } from '../recount.ts';
import { type Piece, served } from '../whole-way.ts';

/** Sent and received when it happened; by default a view of the home page, by a person with a cookie. */
function sent(time: string, part: Partial<Happening> = {}): SentRequest {
  return arriving(time, time, part);
}

/** Received, and sent, later than it happened. */
function arriving(arrival: string, time: string, part: Partial<Happening> = {}): SentRequest {
  const receivedAt = Date.parse(arrival);
  const home = { anonymousId: 'a', type: 'page', agent: AGENTS.chrome, place: PLACES.home };
  const times = { createdAt: Date.parse(time), sentAt: receivedAt };
  return requestOf([{ ...home, ...times, eventId: `at ${time}`, ...part }], { source: 'shop', receivedAt });
}

function page(path: string): Partial<Happening> {
  return { place: { url: SITE + path, values: { page: path, channel: 'direct' } } };
}

/** `measure by dimension`, and what of the question is not a matter of course. */
type Asked = readonly [string, Partial<Omit<Question, 'from' | 'to'>>?];

/**
 * What the API answers to several questions about a range, as lines of time, value and key, in UTC by the minute; what is 0
 * is left out. The recount must say the same.
 */
async function answers(
  requests: readonly SentRequest[],
  [from, to]: readonly [string, string],
  asked: readonly Asked[],
): Promise<Readonly<Record<string, readonly string[]>>> {
  const sessions = sessionsOf(requests.flatMap(({ events }) => events));
  return served({ requests }, async (ask) => {
    const lines: [string, readonly string[]][] = [];
    for (const [words, part] of asked) {
      const [measure = '', by] = words.split(' by ');
      const range = { from: Date.parse(from), to: Date.parse(to) };
      const question: Question = {
        interval: 'day',
        zone: 'Europe/Berlin',
        bots: 'exclude',
        ...part,
        measure,
        by,
        ...range,
      };
      const rows = await ask(question);
      expect(rows).toEqual(recount(sessions, question));
      const name = [words, ...Object.values(part ?? {})].join(', ');
      lines.push([name, rows.filter(({ value }) => value > 0).map(lineOf)]);
    }
    return Object.fromEntries(lines);
  });
}

function lineOf({ time, value, key }: Row): string {
  return [`${time.slice(0, 16)}Z`, value, ...(key === undefined ? [] : [key])].join(' ');
}

describe('a visit', () => {
  test('over midnight in Berlin is of the day on which it began, and its events of their own', async () => {
    const visit = [sent('2026-03-10T22:50:00Z'), sent('2026-03-10T23:10:00Z', page('/lamps'))];
    const range = ['2026-03-10T12:00:00Z', '2026-03-11T12:00:00Z'] as const;
    const asked: readonly Asked[] = [
      ['sessions'],
      ['sessionSeconds'],
      ['bounces'],
      ['newVisitors'],
      ['visitors'],
      ['pageviews by page'],
      ['sessions by exitPage'],
      ['events by entryPage'],
      ['sessions', { zone: 'UTC' }],
      ['visitors', { zone: 'UTC' }],
    ];
    expect(await answers(visit, range, asked)).toEqual({
      sessions: ['2026-03-09T23:00Z 1'],
      sessionSeconds: ['2026-03-09T23:00Z 1200'],
      bounces: [],
      newVisitors: ['2026-03-09T23:00Z 1'],
      visitors: ['2026-03-09T23:00Z 1', '2026-03-10T23:00Z 1'],
      'pageviews by page': ['2026-03-09T23:00Z 1 /', '2026-03-10T23:00Z 1 /lamps'],
      'sessions by exitPage': ['2026-03-09T23:00Z 1 /lamps'],
      'events by entryPage': ['2026-03-09T23:00Z 1 /', '2026-03-10T23:00Z 1 /'],
      'sessions, UTC': ['2026-03-10T00:00Z 1'],
      'visitors, UTC': ['2026-03-10T00:00Z 1'],
    });
  });

  test('over midnight in Kathmandu, at a quarter past the hour, as well', async () => {
    const visit = [sent('2026-03-10T18:14:59Z'), sent('2026-03-10T18:15:00Z')];
    const zone = 'Asia/Kathmandu';
    const range = ['2026-03-10T12:00:00Z', '2026-03-11T12:00:00Z'] as const;
    expect(
      await answers(visit, range, [
        ['sessionSeconds', { zone }],
        ['events', { zone }],
      ]),
    ).toEqual({
      'sessionSeconds, Asia/Kathmandu': ['2026-03-09T18:15Z 1'],
      'events, Asia/Kathmandu': ['2026-03-09T18:15Z 1', '2026-03-10T18:15Z 1'],
    });
  });

  test('over the hour that comes twice is as long as it was, in a day of 25 hours', async () => {
    // By Berlin's clocks at 02:40, at 02:05 after they went back, and at 23:59 of that day.
    const visit = [sent('2026-10-25T00:40:00Z'), sent('2026-10-25T01:05:00Z'), sent('2026-10-25T22:59:59Z')];
    const range = ['2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z'] as const;
    const asked: readonly Asked[] = [['events'], ['sessions'], ['sessionSeconds'], ['events', { interval: 'hour' }]];
    expect(await answers(visit, range, asked)).toEqual({
      events: ['2026-10-24T22:00Z 3'],
      sessions: ['2026-10-24T22:00Z 2'],
      sessionSeconds: ['2026-10-24T22:00Z 1500'],
      'events, hour': ['2026-10-25T00:00Z 1', '2026-10-25T01:00Z 1', '2026-10-25T22:00Z 1'],
    });
  });

  test('over the hour that never comes is one of a minute, in a day of 23 hours', async () => {
    // By Berlin's clocks at 01:59 and at 03:00; the last is at midnight.
    const visit = [sent('2026-03-29T00:59:00Z'), sent('2026-03-29T01:00:00Z'), sent('2026-03-29T22:00:00Z')];
    const range = ['2026-03-29T00:00:00Z', '2026-03-29T22:00:01Z'] as const;
    expect(await answers(visit, range, [['events'], ['sessions'], ['sessionSeconds']])).toEqual({
      events: ['2026-03-28T23:00Z 2', '2026-03-29T22:00Z 1'],
      sessions: ['2026-03-28T23:00Z 1', '2026-03-29T22:00Z 1'],
      sessionSeconds: ['2026-03-28T23:00Z 60'],
    });
  });

  test('that bounced and then did not is taken back, where it began', async () => {
    const range = ['2026-03-10T12:00:00Z', '2026-03-11T12:00:00Z'] as const;
    const asked: readonly Asked[] = [['bounces'], ['bounces by campaign'], ['sessions']];
    const bounced = [
      sent('2026-03-10T22:59:00Z', { place: PLACES.mail }),
      sent('2026-03-10T23:00:00Z', { type: 'identify', userId: 'u' }),
    ];
    expect(await answers(bounced, range, asked)).toEqual({
      bounces: ['2026-03-09T23:00Z 1'],
      'bounces by campaign': ['2026-03-09T23:00Z 1 spring'],
      sessions: ['2026-03-09T23:00Z 1'],
    });
    const stayed = [...bounced, sent('2026-03-10T23:01:00Z', { type: 'Order Completed' })];
    expect(await answers(stayed, range, asked)).toEqual({
      bounces: [],
      'bounces by campaign': [],
      sessions: ['2026-03-09T23:00Z 1'],
    });
  });

  test('moves its exit page with each page, and leaves it where an event has none', async () => {
    const visit = [
      sent('2026-03-10T10:00:00Z', page('/a')),
      sent('2026-03-10T10:01:00Z', page('/b')),
      sent('2026-03-10T10:02:00Z', { type: 'Order Completed', place: PLACES.nowhere }),
    ];
    const range = ['2026-03-10T12:00:00Z', '2026-03-10T12:00:01Z'] as const;
    const asked: readonly Asked[] = [
      ['sessions by exitPage'],
      ['sessionSeconds by exitPage'],
      ['sessions by entryPage'],
    ];
    expect(await answers(visit.slice(0, 1), range, asked)).toEqual({
      'sessions by exitPage': ['2026-03-09T23:00Z 1 /a'],
      'sessionSeconds by exitPage': [],
      'sessions by entryPage': ['2026-03-09T23:00Z 1 /a'],
    });
    expect(await answers(visit, range, asked)).toEqual({
      'sessions by exitPage': ['2026-03-09T23:00Z 1 /b'],
      'sessionSeconds by exitPage': ['2026-03-09T23:00Z 120 /b'],
      'sessions by entryPage': ['2026-03-09T23:00Z 1 /a'],
    });
  });

  test('ends with more than 30 minutes of silence; the next is none of a new visitor', async () => {
    const visits = [
      sent('2026-03-10T10:00:00Z'),
      sent('2026-03-10T10:30:00Z'),
      sent('2026-03-10T11:00:00.001Z', { place: PLACES.search }),
    ];
    const range = ['2026-03-10T12:00:00Z', '2026-03-10T12:00:01Z'] as const;
    const asked: readonly Asked[] = [
      ['sessions by channel'],
      ['bounces by channel'],
      ['newVisitors by channel'],
      ['events by channel'],
    ];
    expect(await answers(visits, range, asked)).toEqual({
      'sessions by channel': ['2026-03-09T23:00Z 1 direct', '2026-03-09T23:00Z 1 search'],
      'bounces by channel': ['2026-03-09T23:00Z 1 search'],
      'newVisitors by channel': ['2026-03-09T23:00Z 1 direct'],
      'events by channel': ['2026-03-09T23:00Z 2 direct', '2026-03-09T23:00Z 1 search'],
    });
  });
});

describe('an event', () => {
  const range = ['2026-03-10T09:00:00Z', '2026-03-10T12:00:00Z'] as const;

  test('that is late counts when it happened, and as one more of the session it finds, but moves neither end of it', async () => {
    const visit = [
      sent('2026-03-10T10:00:00Z', page('/a')),
      arriving('2026-03-10T10:01:00Z', '2026-03-10T09:15:00Z', page('/late')),
    ];
    const asked: readonly Asked[] = [
      ['events by page', { interval: 'hour' }],
      ['sessions by exitPage', { interval: 'hour' }],
      ['sessions by entryPage', { interval: 'hour' }],
      ['sessionSeconds'],
      ['bounces'],
    ];
    expect(await answers(visit, range, asked)).toEqual({
      'events by page, hour': ['2026-03-10T09:00Z 1 /late', '2026-03-10T10:00Z 1 /a'],
      'sessions by exitPage, hour': ['2026-03-10T10:00Z 1 /a'],
      'sessions by entryPage, hour': ['2026-03-10T10:00Z 1 /a'],
      sessionSeconds: [],
      bounces: [],
    });
  });

  test('of a bot counts among bots; a session, when a bot began it', async () => {
    const visits = [
      sent('2026-03-10T10:00:00Z', { agent: AGENTS.googlebot, anonymousId: 'bot' }),
      sent('2026-03-10T10:01:00Z', { anonymousId: 'bot' }),
      sent('2026-03-10T10:02:00Z'),
      sent('2026-03-10T10:04:00Z', { agent: AGENTS.curl }),
    ];
    const asked = (['events', 'visitors', 'sessions', 'sessionSeconds'] as const).flatMap((measure) =>
      (['exclude', 'include', 'only'] as const).map((bots): Asked => [measure, { bots }]),
    );
    expect(await answers(visits, range, asked)).toEqual({
      'events, exclude': ['2026-03-09T23:00Z 2'],
      'events, include': ['2026-03-09T23:00Z 4'],
      'events, only': ['2026-03-09T23:00Z 2'],
      'visitors, exclude': ['2026-03-09T23:00Z 2'],
      'visitors, include': ['2026-03-09T23:00Z 2'],
      'visitors, only': ['2026-03-09T23:00Z 2'],
      'sessions, exclude': ['2026-03-09T23:00Z 1'],
      'sessions, include': ['2026-03-09T23:00Z 2'],
      'sessions, only': ['2026-03-09T23:00Z 1'],
      'sessionSeconds, exclude': ['2026-03-09T23:00Z 120'],
      'sessionSeconds, include': ['2026-03-09T23:00Z 180'],
      'sessionSeconds, only': ['2026-03-09T23:00Z 60'],
    });
  });

  test('that is sent again counts once, also when its person has logged in meanwhile', async () => {
    const visit = [
      sent('2026-03-10T10:00:00Z'),
      arriving('2026-03-10T10:00:20Z', '2026-03-10T10:00:00Z'),
      arriving('2026-03-10T10:45:00Z', '2026-03-10T10:00:00Z', { userId: 'u', agent: AGENTS.safari }),
    ];
    expect(await answers(visit, range, [['events by browser'], ['bounces'], ['users']])).toEqual({
      'events by browser': ['2026-03-09T23:00Z 1 Chrome'],
      bounces: ['2026-03-09T23:00Z 1'],
      users: [],
    });
  });

  test('is dated by the arrival and the age that its own clock gives it, however wrong that clock is', async () => {
    const ahead = Date.parse('2026-03-11T10:00:00Z');
    const visit = [
      sent('2026-03-10T10:59:59Z', { createdAt: ahead, sentAt: ahead + 60_000 }),
      sent('2026-03-10T11:00:00Z', { createdAt: ahead, sentAt: undefined }),
    ];
    expect(await answers(visit, range, [['events', { interval: 'minute' }]])).toEqual({
      'events, minute': ['2026-03-10T10:58Z 1', '2026-03-10T11:00Z 1'],
    });
  });

  test('is of a device and of a person, who may have several', async () => {
    const visits = [
      sent('2026-03-10T10:00:00Z'),
      sent('2026-03-10T10:01:00Z', { userId: 'u' }),
      sent('2026-03-10T10:02:00Z', { userId: 'u', anonymousId: 'phone', agent: AGENTS.safari }),
      sent('2026-03-10T10:03:00Z', { userId: 'u', anonymousId: undefined, agent: AGENTS.none }),
    ];
    const asked: readonly Asked[] = [['visitors'], ['users'], ['users by device'], ['newVisitors']];
    expect(await answers(visits, range, asked)).toEqual({
      visitors: ['2026-03-09T23:00Z 3'],
      users: ['2026-03-09T23:00Z 1'],
      'users by device': ['2026-03-09T23:00Z 1 (none)', '2026-03-09T23:00Z 1 desktop', '2026-03-09T23:00Z 1 mobile'],
      newVisitors: ['2026-03-09T23:00Z 3'],
    });
  });
});

describe('of more than a thousand pages in a minute', () => {
  const PAGES = 1_100;
  const OWN_MAX = 1_000;
  const at = Date.parse('2026-03-10T10:00:00Z');
  const day = { from: at, to: at + 1, zone: 'UTC', bots: 'exclude' } as const;
  const path = (place: number) => `/p/${place}`;
  /** Each page is where one visit begins; then the visit goes on to the page after. */
  const begins = Array.from({ length: PAGES }, (_, place) =>
    sent('2026-03-10T10:00:00Z', { anonymousId: `v${place}`, ...page(path(place)) }),
  );
  const goesOn = Array.from({ length: PAGES }, (_, place) =>
    sent('2026-03-10T10:00:07Z', { anonymousId: `v${place}`, ...page(path((place + 1) % PAGES)) }),
  );
  const requests = [...begins, ...goesOn];
  const sessions = sessionsOf(requests.flatMap(({ events }) => events));

  test.each<{ readonly batches: string; readonly pieces: readonly Piece[] }>([
    { batches: 'one', pieces: [] },
    {
      batches: 'two that overlap',
      pieces: [
        { from: 0, length: 700 },
        { from: 600, length: 700 },
      ],
    },
    {
      batches: 'small ones about the thousandth',
      pieces: [
        { from: 0, length: 999 },
        { from: 998, length: 2 },
        { from: 1_000, length: 1 },
        { from: 1_001, length: 150 },
      ],
    },
  ])('the first thousand go by their names, and the sum is right; batches: $batches', async ({ pieces }) => {
    await served({ requests, pieces }, async (ask) => {
      for (const [measure, by] of [
        ['events', 'page'],
        ['pageviews', 'entryPage'],
        ['sessions', 'entryPage'],
        ['sessionSeconds', 'entryPage'],
        ['sessions', 'exitPage'],
        ['sessionSeconds', 'exitPage'],
        ['newVisitors', 'exitPage'],
      ] as const) {
        for (const interval of ['minute', 'hour', 'day'] as const) {
          const question = { measure, by, interval, ...day };
          const found = new Map((await ask(question)).map(({ key = '', value }) => [key, value]));
          expect({ question, found }).toEqual({ question, found: capped(recount(sessions, question)) });
        }
      }
    });
  });

  function capped(rows: readonly Row[]): ReadonlyMap<string, number> {
    const values = new Map(rows.map(({ key, value }) => [key, value]));
    const amountOf = (place: number) => values.get(path(place)) ?? 0;
    const places = Array.from({ length: PAGES }, (_, place) => place);
    const other = places.slice(OWN_MAX).reduce((sum, place) => sum + amountOf(place), 0);
    return new Map([
      ...places.slice(0, OWN_MAX).map((place) => [path(place), amountOf(place)] as const),
      ['(other)', other],
    ]);
  }
});

import { describe, expect, test } from 'vitest';
import { eventWith } from '../../tests/events.ts';
import type { Enriched, Facts } from '../core/view.ts';
import { decodeMemory, encodeMemory, step, type VisitorMemory } from './stitch.ts';

interface Step extends Enriched {
  /** A time of the day, or a whole one. */
  readonly at: string;
  readonly type?: string;
}

/** The facts of a visitor's events, one after the other; what is kept between them goes through its text. */
function factsOf(...steps: readonly Step[]): readonly Facts[] {
  let state: VisitorMemory | undefined;
  return steps.map(({ at, type = 'page', ...enriched }) => {
    const timestamp = at.includes('T') ? `${at}.000Z` : `2026-11-23T${at}.000Z`;
    const before = state && decodeMemory(encodeMemory(state));
    expect(before).toEqual(state);
    const next = step(before, eventWith({ timestamp, eventType: type }), enriched);
    state = next.state;
    return next.facts;
  });
}

function walk(...times: readonly string[]) {
  return factsOf(...times.map((at) => ({ at }))).map(({ session, first, newVisitor, late, sessionStart }) => {
    return { session, first, newVisitor, late, start: sessionStart.slice(11, 19) };
  });
}

describe('sessions', () => {
  test('the first event starts the first session of a new visitor', () => {
    expect(walk('10:00:00')).toEqual([{ session: 1, first: true, newVisitor: true, late: false, start: '10:00:00' }]);
  });
  test('thirty minutes of silence do not end a session, a second more does', () => {
    const [, same, next] = walk('10:00:00', '10:30:00', '11:00:01');
    expect(same).toEqual({ session: 1, first: false, newVisitor: false, late: false, start: '10:00:00' });
    expect(next).toEqual({ session: 2, first: true, newVisitor: false, late: false, start: '11:00:01' });
  });
  test('a late event joins the session it finds, and moves neither its start nor its end', () => {
    const [, , late, on] = walk('10:00:00', '12:00:00', '10:05:00', '12:29:00');
    expect(late).toEqual({ session: 2, first: false, newVisitor: false, late: true, start: '12:00:00' });
    expect(on).toEqual({ session: 2, first: false, newVisitor: false, late: false, start: '12:00:00' });
  });
  test('an event at the very time of the latest is not late', () => {
    expect(walk('10:00:00', '10:00:00')[1]).toMatchObject({ session: 1, first: false, late: false });
  });
  test('an event late by more than the gap starts no session, and the next one goes on', () => {
    const [, late, on] = walk('10:00:00', '08:00:00', '10:30:00');
    expect(late).toMatchObject({ session: 1, late: true, start: '10:00:00' });
    expect(on).toMatchObject({ session: 1, late: false });
  });
  test.each(['Page Left', 'Scrolled', 'Web Vitals'])(
    '%s after the gap starts none, and moves nothing of the one it finds',
    (type) => {
      const [, left, again] = factsOf(
        { at: '10:00:00', page: '/' },
        { at: '11:00:00', type, page: '/cart' },
        { at: '11:10:00', page: '/' },
      );
      expect(left).toMatchObject({ session: 1, first: false, late: false });
      expect(left?.after).toBeUndefined();
      expect(again).toMatchObject({ session: 2, first: true });
      expect(factsOf({ at: '10:00:00', type })[0]).toMatchObject({ session: 1, first: true });
    },
  );
  test('midnight ends no session', () => {
    const [, over, after] = factsOf(
      { at: '2026-11-23T23:50:00' },
      { at: '2026-11-24T00:10:00' },
      { at: '2026-11-24T00:40:01' },
    );
    const sessionStart = '2026-11-23T23:50:00.000Z';
    expect(over).toMatchObject({ session: 1, first: false, sessionStart, after: { seconds: 1_200 } });
    expect(after).toMatchObject({ session: 2, first: true, sessionStart: '2026-11-24T00:40:01.000Z' });
  });
});

describe('how a session stands', () => {
  test('its first event opens it; the next takes back the bounce, and adds its seconds', () => {
    const [opening, next] = factsOf({ at: '10:00:00' }, { at: '10:01:30' });
    expect([opening?.before, opening?.after]).toEqual([undefined, { seconds: 0, bounced: true }]);
    expect([next?.before, next?.after]).toEqual([
      { seconds: 0, bounced: true },
      { seconds: 90, bounced: false },
    ]);
  });
  const NO_INTERACTIONS = ['identify', 'group', 'alias', 'Page Left', 'Scrolled', 'Web Vitals'];
  test.each(NO_INTERACTIONS)('%s is no interaction: it takes no bounce back', (type) => {
    const [, second, third] = factsOf(
      { at: '10:00:00' },
      { at: '10:00:10', type },
      { at: '10:00:20', type: 'Clicked' },
    );
    expect(second?.after).toEqual({ seconds: 10, bounced: true });
    expect(third).toMatchObject({ before: { bounced: true }, after: { seconds: 20, bounced: false } });
  });
  test('a session that an identify opened bounces until its second interaction', () => {
    const steps = factsOf({ at: '10:00:00', type: 'identify' }, { at: '10:00:00' }, { at: '10:00:01' });
    expect(steps.map(({ after }) => after?.bounced)).toEqual([true, undefined, false]);
  });
  test('seconds are whole ones, from the first event to the latest', () => {
    const timestamp = '2026-11-23T10:00:00.900Z';
    const opened = step(undefined, eventWith({ timestamp }), {});
    const { facts } = step(opened.state, eventWith({ timestamp: '2026-11-23T10:00:02.899Z' }), {});
    expect(facts.after?.seconds).toBe(1);
  });
  test('its exit page moves with each event that says a page, and stays with one that says none', () => {
    const steps = factsOf(
      { at: '10:00:00', page: '/' },
      { at: '10:01:00', page: '/cart' },
      { at: '10:02:00', type: 'Clicked' },
      { at: '10:03:00', page: '/thanks' },
    );
    expect(steps.map(({ after }) => after?.exitPage)).toEqual(['/', '/cart', '/cart', '/thanks']);
    expect(steps.map(({ before }) => before?.exitPage)).toEqual([undefined, '/', '/cart', '/cart']);
  });
  test('a late event moves neither seconds nor exit page, and is an interaction', () => {
    const [, late] = factsOf({ at: '10:10:00', page: '/' }, { at: '10:05:00', page: '/cart' });
    expect(late).toMatchObject({ late: true });
    expect([late?.before, late?.after]).toEqual([
      { seconds: 0, bounced: true, exitPage: '/' },
      { seconds: 0, bounced: false, exitPage: '/' },
    ]);
  });
  test('an event that changes nothing of it says nothing of it', () => {
    const [, , third] = factsOf({ at: '10:10:00' }, { at: '10:11:00' }, { at: '10:05:00', page: '/cart' });
    expect([third?.before, third?.after]).toEqual([undefined, undefined]);
    const [, identified] = factsOf({ at: '10:10:00' }, { at: '10:10:00', type: 'identify' });
    expect([identified?.before, identified?.after]).toEqual([undefined, undefined]);
  });
  test('every event is told the standing that the one before it left', () => {
    const steps = factsOf(
      { at: '10:00:00', page: '/' },
      { at: '09:00:00', page: '/late' },
      { at: '10:02:00', type: 'identify' },
      { at: '10:20:00', page: '/a' },
      { at: '11:00:00', page: '/b' },
      { at: '10:50:00' },
    );
    let standing: Facts['after'];
    for (const { first, before, after } of steps) {
      if (after === undefined) continue;
      expect(before).toEqual(first ? undefined : standing);
      standing = after;
    }
    expect(steps.at(-1)?.after).toEqual({ seconds: 0, bounced: false, exitPage: '/b' });
  });
});

describe('a new visitor', () => {
  test("is new with its first event, and all of its first session is a new visitor's", () => {
    const steps = factsOf(
      { at: '10:00:00' },
      { at: '10:01:00' },
      { at: '09:00:00' },
      { at: '12:00:00' },
      { at: '12:01:00' },
    );
    expect(steps.map(({ newVisitor }) => newVisitor)).toEqual([true, false, false, false, false]);
    expect(steps.map(({ newVisitorSession }) => newVisitorSession)).toEqual([true, true, true, undefined, undefined]);
  });
});

describe('the values of the first event', () => {
  test("are kept where they are others than an event's own, and null where the first had none", () => {
    const [first, second, third] = factsOf(
      { at: '10:00:00', page: '/', channel: 'search', referrer: 'google.com' },
      { at: '10:01:00', page: '/cart', channel: 'search', country: 'DE' },
      { at: '10:02:00', type: 'Clicked', page: '/', channel: 'search', referrer: 'google.com' },
    );
    expect(first?.opening).toBeUndefined();
    expect(second?.opening).toEqual({ page: '/', referrer: 'google.com', country: null });
    expect(third?.opening).toEqual({ eventType: 'page' });
    expect(second?.enriched).toEqual({ page: '/cart', channel: 'search', country: 'DE' });
  });
  test('are those of the session, not of the one before', () => {
    const [, , again] = factsOf(
      { at: '10:00:00', campaign: 'spring' },
      { at: '12:00:00', bot: true },
      { at: '12:01:00', campaign: 'autumn' },
    );
    expect(again?.opening).toEqual({ bot: true, campaign: null });
  });
});

describe('the link of a user to a device', () => {
  function linksOf(...ids: readonly { readonly userId?: string; readonly anonymousId?: string }[]) {
    let state: VisitorMemory | undefined;
    return ids.map((of, index) => {
      // Every third one opens a session.
      const timestamp = new Date(
        Date.parse('2026-11-23T00:00:00.000Z') + Math.floor(index / 3) * 3_600_000,
      ).toISOString();
      const { anonymousId: _, ...event } = eventWith({ timestamp });
      const next = step(state && decodeMemory(encodeMemory(state)), { ...event, ...of }, {});
      state = next.state;
      return next.link;
    });
  }
  const device = { anonymousId: 'a1' };
  const [ada, bob] = [
    { ...device, userId: 'ada' },
    { ...device, userId: 'bob' },
  ];

  test('is told when the user is seen there after nobody or after another', () => {
    expect(linksOf(device, ada, ada, device, ada, bob, bob, ada)).toEqual([
      ...[undefined, 'ada', undefined, undefined],
      ...[undefined, 'bob', undefined, 'ada'],
    ]);
  });
  test('is told by a first event, too, and not again by the first of a session', () => {
    expect(linksOf(ada, ada, ada, ada, device, device, bob)).toEqual([
      ...['ada', undefined, undefined, undefined],
      ...[undefined, undefined, 'bob'],
    ]);
  });
  test('is none where no device is known', () => {
    expect(linksOf({ userId: 'ada' }, { userId: 'ada' })).toEqual([undefined, undefined]);
  });
});

import { describe, expect, test } from 'vitest';
import { eventWith } from '../../tests/events.ts';
import { decodeMemory, encodeMemory, step, type VisitorMemory } from './stitch.ts';

function walk(...times: readonly string[]) {
  let state: VisitorMemory | undefined;
  return times.map((time) => {
    const next = step(state && decodeMemory(encodeMemory(state)), eventWith({ timestamp: `2026-11-23T${time}.000Z` }));
    state = next.state;
    const { session, first, newVisitor, late, sessionStart } = next.facts;
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
});

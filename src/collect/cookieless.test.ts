import { expect, test } from 'vitest';
import { FakeLog } from '../../tests/collector.ts';
import { ClickstreamError } from '../core/errors.ts';
import { Accept } from './accept.ts';
import { cookielessId } from './cookieless.ts';
import { Numbering } from './numbering.ts';
import type { Candidate, Mapped } from './protocol.ts';

const NOON = Date.parse('2026-11-25T12:00:00.000Z');
const BROWSER = { address: '203.0.113.77', ip: '203.0.113.0', userAgent: 'Browser/1' };
const saltOf = (day: string) => Buffer.from(day.padEnd(32));
const idOn = (day: string, { address, userAgent } = BROWSER, source = 'web') =>
  cookielessId(saltOf(day), { source, address, userAgent });

function candidate(fields: Partial<Candidate> = {}): Candidate {
  const absent = { userId: undefined, anonymousId: undefined, createdAt: undefined, sentAt: undefined };
  const present = { eventId: 'e', eventType: 'page', properties: {}, context: { cookieless: true }, traits: {} };
  return { kind: 'candidate', ...absent, ...present, ...fields };
}

/** A collector with the salts of every day, until they are away. */
function collector() {
  const log = new FakeLog();
  const salts = {
    asked: [] as string[],
    isAway: false,
    of: async (day: string) => {
      salts.asked.push(day);
      if (salts.isAway) throw new ClickstreamError('salt_unavailable');
      return saltOf(day);
    },
  };
  const accept = new Accept({ log, numbering: new Numbering('c'), salts });
  const send = (events: readonly Mapped[], from: Partial<Parameters<Accept['accept']>[1]> = {}) =>
    accept.accept(
      { events, original: () => '{"type":"page"}' },
      { source: 'web', receivedAt: NOON, client: BROWSER, ...from },
    );
  return { log, salts, send };
}

test('an event without any id whose context says so gets the one of its browser and day', async () => {
  const { log, send, salts } = collector();
  await send([candidate({ eventId: '1' }), candidate({ eventId: '2', createdAt: '2026-11-24T23:00:00.000Z' })]);
  expect(log.events().map(({ anonymousId }) => anonymousId)).toEqual([idOn('2026-11-25'), idOn('2026-11-24')]);
  expect(salts.asked).toEqual(['2026-11-25', '2026-11-24']);
  expect(log.records().map(({ header }) => header.visitor)).toEqual([idOn('2026-11-25'), idOn('2026-11-24')]);
});

test.each<[string, Partial<Candidate>, string | undefined]>([
  ['an anonymousId', { anonymousId: 'a' }, 'a'],
  ['a userId', { userId: 'u' }, undefined],
  ['no word of it', { context: {}, userId: 'u' }, undefined],
])('one with %s keeps what it has', async (_, fields, anonymousId) => {
  const { log, send, salts } = collector();
  await send([candidate(fields)]);
  expect(log.events()).toMatchObject([{ eventId: 'e' }]);
  expect(log.events()[0]?.anonymousId).toBe(anonymousId);
  expect(salts.asked).toEqual([]);
});

test.each([
  ['true in words', { cookieless: 'true' }],
  ['1', { cookieless: 1 }],
  ['not', { cookieless: false }],
  ['nothing', {}],
])('one that says %s is set aside, as before', async (_, context) => {
  const { log, send, salts } = collector();
  await send([candidate({ context })]);
  expect(log.setAside()).toMatchObject([{ code: 'id_missing' }]);
  expect(salts.asked).toEqual([]);
});

test('of a server none is made, nor where the address is not known', async () => {
  const { log, send, salts } = collector();
  await send([candidate()], { client: undefined });
  await send([candidate()], { client: { ...BROWSER, address: undefined } });
  await send([candidate()], { client: { ...BROWSER, address: 'unknown' } });
  expect(log.setAside().map(({ code }) => code)).toEqual(['id_missing', 'id_missing', 'id_missing']);
  expect(salts.asked).toEqual([]);
});

test('sources, agents and addresses are told apart, also two of one network', async () => {
  const { log, send } = collector();
  await send([candidate()]);
  await send([candidate()], { source: 'shop' });
  await send([candidate()], { client: { ...BROWSER, userAgent: 'Browser/2' } });
  await send([candidate()], { client: { ...BROWSER, userAgent: undefined } });
  await send([candidate()], { client: { ...BROWSER, address: '203.0.113.78' } });
  await send([candidate()], { client: { ...BROWSER, address: '::ffff:203.0.113.77' } });
  const ids = log.events().map(({ anonymousId }) => anonymousId);
  expect(new Set(ids).size).toBe(5);
  expect(ids[5]).toBe(ids[0]);
});

test('a retry after midnight is the same event, and one of a day before that is another', async () => {
  const { log, send } = collector();
  const event = candidate({ createdAt: '2026-11-25T11:59:59.000Z' });
  for (const receivedAt of [NOON, NOON + 86_400_000, NOON + 2 * 86_400_000]) await send([event], { receivedAt });
  const [first, nextDay, later] = log.events().map(({ anonymousId }) => anonymousId);
  expect(nextDay).toBe(first);
  expect(later).toBe(idOn('2026-11-27'));
});

test('a salt that cannot be had refuses the whole request, and no other', async () => {
  const { log, send, salts } = collector();
  salts.isAway = true;
  const batch = [candidate({ anonymousId: 'a' }), candidate()];
  await expect(send(batch)).rejects.toMatchObject({ code: 'salt_unavailable', status: 503, retriable: true });
  expect(log.appends).toEqual([]);
  await send([candidate({ anonymousId: 'a' })]);
  await send([candidate()], { client: undefined });
  expect(log.items()).toHaveLength(2);
  salts.isAway = false;
  await send(batch);
  expect(log.events().map(({ anonymousId }) => anonymousId)).toEqual(['a', 'a', idOn('2026-11-25')]);
});

test('nothing of the whole address is in the log', async () => {
  const { log, send } = collector();
  await send([candidate(), candidate({ eventType: '' })]);
  const bytes = Buffer.concat(log.appends.flat().map(({ data }) => Buffer.from(data))).toString('latin1');
  expect(bytes).toContain('203.0.113.0');
  expect(bytes).not.toContain('203.0.113.77');
  for (const form of ['latin1', 'hex', 'base64', 'base64url'] as const) {
    expect(bytes).not.toContain(saltOf('2026-11-25').toString(form));
  }
});

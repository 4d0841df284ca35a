import { expect, test } from 'vitest';
import { FakeLog } from '../../tests/collector.ts';
import { ClickstreamError } from '../core/errors.ts';
import { addIdentities } from '../core/identities.ts';
import { LIMITS } from '../core/limits.ts';
import { decodeReceipt } from '../log/receipt.ts';
import { linesIdentities } from '../log/record.ts';
import { Accept } from './accept.ts';
import type { Client } from './client.ts';
import { Numbering } from './numbering.ts';
import type { Candidate, Mapped } from './protocol.ts';

const RECEIVED_AT = Date.parse('2026-11-23T04:00:00.000Z');

function candidate(fields: Partial<Candidate> = {}): Candidate {
  const absent = { userId: undefined, createdAt: undefined, sentAt: undefined };
  const present = { eventId: 'e', eventType: 'page', anonymousId: 'a', properties: {}, context: {}, traits: {} };
  return { kind: 'candidate', ...absent, ...present, ...fields };
}

function setUp() {
  const log = new FakeLog();
  const numbering = new Numbering('c');
  const accept = new Accept({ log, numbering });
  const send = (events: readonly Mapped[], receivedAt = RECEIVED_AT) =>
    accept.accept({ events, original: (index) => `original ${index}` }, { source: 'web', receivedAt });
  const sendAs = (client: Client, events: readonly Mapped[], original = '') =>
    accept.accept({ events, original: () => original }, { source: 'web', receivedAt: RECEIVED_AT, client });
  return { log, numbering, send, sendAs };
}

test('one record a visitor and request, in one append, in order', async () => {
  const { log, send } = setUp();
  const accepted = await send([
    candidate({ eventId: '1', anonymousId: 'a' }),
    candidate({ eventId: '2', anonymousId: 'b', userId: 'u' }),
    candidate({ eventId: '3', anonymousId: undefined, userId: 'a' }),
    candidate({ eventId: '4', anonymousId: undefined, userId: 'u' }),
  ]);
  expect(accepted).toMatchObject({ events: 4, setAside: 0 });
  const places = [0n, 1n, 2n].map((sequence) => ({ lane: '0', sequence }));
  expect(decodeReceipt(accepted.receipt ?? '')).toEqual({
    ...{
      collector: 'c',
      number: 0,
      receivedAtSeconds: Math.floor(RECEIVED_AT / 1_000),
      counts: [2, 1, 1],
      positions: places,
    },
  });
  expect(log.appends).toHaveLength(1);
  const records = log.records();
  expect(records.map(({ header }) => [header.visitor, header.number, header.count])).toEqual([
    ['a', 0, 2],
    ['b', 1, 1],
    ['u', 2, 1],
  ]);
  expect(records.map(({ items }) => items.map(({ eventId }) => eventId))).toEqual([['1', '3'], ['2'], ['4']]);
  expect(records[0]?.header).toEqual({
    v: 1,
    kind: 'events',
    source: 'web',
    visitor: 'a',
    receivedAt: '2026-11-23T04:00:00.000Z',
    collector: 'c',
    number: 0,
    count: 2,
    ackedThrough: -1,
    voids: [],
    identities: expect.any(Number),
    checksum: expect.any(Number),
  });
  expect(log.appends[0]?.map(({ partitionKey }) => partitionKey)).toEqual(['web/a', 'web/b', 'web/u']);
});

test('an event as its line holds it', async () => {
  const { log, send } = setUp();
  await send([
    candidate({
      userId: 'u',
      createdAt: '2026-11-23T03:00:00.123456+01:00',
      sentAt: 1_795_399_201_123,
      properties: { p: 'ü' },
      traits: { t: [1] },
    }),
  ]);
  expect(log.events()).toEqual([
    {
      eventId: 'e',
      eventType: 'page',
      userId: 'u',
      anonymousId: 'a',
      createdAt: '2026-11-23T02:00:00.123456Z',
      sentAt: new Date(1_795_399_201_123).toISOString(),
      timestamp: expect.stringMatching(/Z$/),
      fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
      properties: { p: 'ü' },
      context: {},
      traits: { t: [1] },
    },
  ]);
});

test('what a retry changes is not in the fingerprint, and what tells events apart is', async () => {
  const { log, send } = setUp();
  await send([
    candidate({ sentAt: '2026-11-23T04:00:00Z', context: { retry: 1 } }),
    candidate({ sentAt: '2026-11-23T04:05:00Z', context: { retry: 2 } }),
    candidate({ eventType: 'screen' }),
    candidate({ properties: { p: 1 } }),
    candidate({ traits: { p: 1 } }),
  ]);
  const [first, again, ...others] = log.events().map(({ fingerprint }) => fingerprint);
  expect(first).toBe(again);
  expect(new Set([first, ...others]).size).toBe(4);
});

test('an address is truncated before it is written, in an event and in what is set aside', async () => {
  const { log, send, sendAs } = setUp();
  await send([candidate({ context: { ip: '203.0.113.7', locale: 'de' } }), candidate({ context: { ip: 'home' } })]);
  const original = '{"context": {"ip": "2001:db8:1:2::3"}, "event": ""}';
  const browser = { ip: '198.51.100.0', userAgent: 'Browser/1' };
  await sendAs({ ...browser, address: '198.51.100.77' }, [candidate({ eventType: '' }), candidate()], original);
  expect(log.events().map(({ context }) => context)).toEqual([{ ip: '203.0.113.0', locale: 'de' }, {}, browser]);
  expect(log.setAside()).toEqual([{ code: 'type_missing', raw: original.replace('2001:db8:1:2::3', '2001:db8:1::') }]);
});

test('without a time an event is dated by its arrival, and without an id it is named by its place', async () => {
  const { log, numbering, send } = setUp();
  numbering.acknowledge(numbering.take(5), { events: 0, identities: 0 });
  await send([candidate(), candidate({ eventId: undefined })]);
  expect(log.events()[1]).toMatchObject({
    eventId: 'c-5-1',
    createdAt: '2026-11-23T04:00:00.000Z',
    timestamp: '2026-11-23T04:00:00.000Z',
  });
});

test('a clock that is wrong is corrected by how long before sending the event was made', async () => {
  const { log, send } = setUp();
  await send([candidate({ createdAt: '1999-01-01T00:00:00Z', sentAt: '1999-01-01T00:01:00Z' })]);
  expect(log.events()[0]).toMatchObject({ createdAt: '1999-01-01T00:00:00Z', timestamp: '2026-11-23T03:59:00.000Z' });
});

const deep = JSON.parse('['.repeat(10_000) + ']'.repeat(10_000)) as unknown;
const deepest = JSON.parse(
  `${'{"a":'.repeat(LIMITS.jsonDepthMax - 2)}{}${'}'.repeat(LIMITS.jsonDepthMax - 2)}`,
) as unknown;

test.each<[string, Mapped, string]>([
  ['no ids', candidate({ anonymousId: undefined }), 'id_missing'],
  ['an id that is an object', candidate({ userId: { toString: 1 } }), 'id_invalid'],
  ['an id too long', candidate({ eventId: 'x'.repeat(LIMITS.idCharsMax + 1) }), 'id_invalid'],
  ['no type', candidate({ eventType: undefined }), 'type_missing'],
  ['a type that is an object', candidate({ eventType: { toString: 1 } }), 'type_invalid'],
  ['a time that is none', candidate({ createdAt: 'yesterday' }), 'time_invalid'],
  ['a time that looks like one', candidate({ createdAt: '2026-13-45T00:00:00Z' }), 'time_invalid'],
  ['a sentAt that is none', candidate({ sentAt: '' }), 'time_invalid'],
  ['properties that are a list', candidate({ properties: [] }), 'field_invalid'],
  ['deep properties', candidate({ properties: { deep } }), 'too_deep'],
  ['a deep time', candidate({ createdAt: deep }), 'too_deep'],
  ['a deep id', candidate({ userId: deep }), 'too_deep'],
  ['a large event', candidate({ properties: { p: 'x'.repeat(LIMITS.eventBytesMax) } }), 'too_large'],
  [
    'an event large in bytes only',
    candidate({ context: { p: '\u20ac'.repeat(LIMITS.eventBytesMax / 3) } }),
    'too_large',
  ],
  ['what could not be mapped', { kind: 'unmappable', reason: { code: 'not_an_object', detail: '' } }, 'not_an_object'],
])('sets aside %s, with its bytes, and takes the rest', async (_, event, code) => {
  const { log, send } = setUp();
  expect(await send([candidate({ eventId: 'before' }), event, candidate({ eventId: 'after' })])).toMatchObject({
    events: 3,
    setAside: 1,
  });
  expect(log.setAside()).toEqual([{ code, raw: 'original 1' }]);
  expect(log.events().map(({ eventId }) => eventId)).toEqual(['before', 'after']);
});

test('what is as deep as is allowed is taken', async () => {
  const { send } = setUp();
  expect(await send([candidate({ properties: deepest })])).toMatchObject({ events: 1, setAside: 0 });
});

test('a record that would be too large is split, in order', async () => {
  const { log, send } = setUp();
  const events = Array.from({ length: 40 }, (_, index) =>
    candidate({ eventId: `${index}`, properties: { p: 'x'.repeat(60_000) } }),
  );
  await send(events);
  expect(log.appends).toHaveLength(1);
  expect(log.records()).toHaveLength(3);
  for (const { data } of log.appends.flat()) expect(Buffer.byteLength(data)).toBeLessThan(1024 * 1024);
  expect(log.events().map(({ eventId }) => eventId)).toEqual(events.map(({ eventId }) => eventId));
});

test('a request that grows beyond all measure is refused whole, and takes no number', async () => {
  const { log, numbering, send } = setUp();
  const events = Array.from({ length: 300 }, () => candidate({ properties: { p: 'x'.repeat(60_000) } }));
  await expect(send(events)).rejects.toMatchObject({ code: 'body_too_large' });
  expect(log.appends).toEqual([]);
  expect(numbering.take(1).first).toBe(0);
});

test('no events, no record', async () => {
  const { log, send } = setUp();
  expect(await send([])).toEqual({ events: 0, setAside: 0, receipt: undefined });
  expect(log.appends).toEqual([]);
});

test('each header has the sum of what its record holds, and the collector counts all of it by itself', async () => {
  const { log, numbering, send, sendAs } = setUp();
  await send([candidate(), candidate({ eventId: undefined }), candidate({ anonymousId: 'b', createdAt: undefined })]);
  log.behave = () => Promise.reject(new ClickstreamError('log_unavailable'));
  await expect(send([candidate({ anonymousId: 'never promised' })])).rejects.toThrow();
  log.behave = () => Promise.resolve();
  const original = '{"event": "", "name": "é\ud83d\ude00"}';
  await sendAs(
    { address: '198.51.100.77', ip: '198.51.100.0', userAgent: undefined },
    [candidate({ eventType: '' }), candidate({ anonymousId: undefined, userId: 'é' })],
    original,
  );
  const records = log
    .records()
    .map(({ header, items }) => ({ header, lines: items.map((item) => JSON.stringify(item)) }));
  expect(records.map(({ header }) => header.count)).toEqual([2, 1, 1, 1]);
  for (const { header, lines } of records) expect(header.identities).toBe(linesIdentities(lines, 'web'));
  expect(new Set(records.map(({ header }) => header.identities)).size).toBe(4);
  const all = records.reduce((sum, { header }) => addIdentities(sum, header.identities ?? Number.NaN), 0);
  expect(numbering.witnessed).toEqual({ number: 4, counted: { events: 5, identities: all } });
});

test('numbers whose append failed are carried by the next record', async () => {
  const { log, numbering, send } = setUp();
  const failure = new ClickstreamError('log_unavailable');
  log.behave = () => Promise.reject(failure);
  await expect(send([candidate(), candidate({ anonymousId: 'b' })])).rejects.toBe(failure);
  log.behave = () => Promise.resolve();
  await send([candidate()]);
  await send([candidate()]);
  expect(log.records().map(({ header }) => [header.number, header.ackedThrough, header.voids])).toEqual([
    [2, 1, [0, 1]],
    [3, 2, []],
  ]);
  expect(numbering.witnessed.number).toBe(3);
});

test('a log that goes on failing is tried once a retry interval, and its voids stay few', async () => {
  const { log, numbering, send } = setUp();
  log.behave = () => Promise.reject(new ClickstreamError('log_unavailable'));
  for (let tries = 0; tries < LIMITS.voidsWaitingMax; tries += 1) {
    await expect(send([candidate()])).rejects.toMatchObject({ code: 'log_unavailable' });
  }
  await expect(send([candidate()])).rejects.toMatchObject({ code: 'overloaded', retriable: true });
  const later = RECEIVED_AT + LIMITS.retryAfterSeconds * 1_000;
  await expect(send([candidate()], later)).rejects.toMatchObject({ code: 'log_unavailable' });
  await expect(send([candidate()], later)).rejects.toMatchObject({ code: 'overloaded' });
  expect(numbering.voidsWaiting).toBe(LIMITS.voidsWaitingMax + 1);
  log.behave = () => Promise.resolve();
  expect(await send([candidate()], later + LIMITS.retryAfterSeconds * 1_000)).toMatchObject({ events: 1, setAside: 0 });
});

test('what a log refuses before it is tried takes no number', async () => {
  const { log, numbering, send } = setUp();
  const refusal = new ClickstreamError('log_unavailable');
  log.refusal = () => refusal;
  await expect(send([candidate()])).rejects.toBe(refusal);
  log.refusal = () => undefined;
  await send([candidate()]);
  expect(log.records().map(({ header }) => header.number)).toEqual([0]);
  expect(numbering.voidsWaiting).toBe(0);
});

import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { FakeLog } from '../../tests/collector.ts';
import { eventWith, lineOf, recordOf, recordOfLines } from '../../tests/events.ts';
import { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { decodeRecord, linesIdentities } from '../log/record.ts';
import { Numbering } from './numbering.ts';
import { Redriver } from './redrive.ts';

function setUp() {
  const log = new FakeLog();
  const numbering = new Numbering('mine');
  let now = 1_000_000;
  const redriver = new Redriver({ log, numbering, clock: () => now });
  const later = (ms: number) => {
    now += ms;
  };
  return { log, numbering, redriver, later };
}

function recordOfBytes(body: Buffer): Uint8Array {
  const header =
    Buffer.from(recordOfLines(['"?"']))
      .toString()
      .split('\n')[0] ?? '';
  return Buffer.concat([Buffer.from(`${header.replace(/"checksum":\d+/, `"checksum":${crc32(body)}`)}\n`), body]);
}

const events = [eventWith({ eventId: '1' }), eventWith({ eventId: '2' })];

test('the events are those of the record, under a number of ours', async () => {
  const { log, numbering, redriver } = setUp();
  numbering.acknowledge(numbering.take(3), { events: 0, identities: 0 });
  const dead = recordOf(events, { source: 'shop', collector: 'other', number: 77, ackedThrough: 70, voids: [5] });
  expect(await redriver.append(dead)).toEqual({ lane: '0', sequence: 0n });
  const [record] = log.records();
  expect(record?.header).toMatchObject({
    ...{ v: 1, kind: 'events', source: 'shop', visitor: 'a1', receivedAt: '2026-11-23T10:00:01.000Z', count: 2 },
    ...{ collector: 'mine', number: 3, ackedThrough: 2, voids: [] },
  });
  expect(record?.items).toEqual(events.map((event) => JSON.parse(lineOf(event))));
  expect(log.appends[0]?.[0]?.partitionKey).toBe('shop/a1');
  // Made anew, and counted as ours: a header of an older version has none.
  const identities = linesIdentities(events.map(lineOf), 'shop');
  expect(record?.header.identities).toBe(identities);
  expect(numbering.witnessed).toEqual({ number: 3, counted: { events: 2, identities } });
});

test.each([
  ['no record', new Uint8Array([1, 2, 3])],
  ['one with a byte changed', recordOf(events).map((byte, index) => (index === 400 ? byte ^ 1 : byte))],
  ['one cut short', recordOf(events).slice(0, -5)],
  ['one that is no UTF-8, with the right checksum', recordOfBytes(Buffer.from([0x22, 0xff, 0x22]))],
  ['one that says another count', recordOf(events, { count: 3 })],
])('%s is refused, and takes no number', async (_, payload) => {
  const { log, numbering, redriver } = setUp();
  await expect(redriver.append(payload)).rejects.toMatchObject({ code: 'dead_unreadable', status: 409 });
  expect(log.appends).toEqual([]);
  expect(numbering.take(1).first).toBe(0);
});

test('a number that the log did not take is void, and none is taken for a while', async () => {
  const { log, numbering, redriver, later } = setUp();
  log.behave = () => Promise.reject(new ClickstreamError('log_unavailable'));
  await expect(redriver.append(recordOf(events))).rejects.toMatchObject({ code: 'log_unavailable' });
  expect(numbering.voidsWaiting).toBe(1);
  await expect(redriver.append(recordOf(events))).rejects.toMatchObject({ code: 'overloaded' });
  expect(numbering.voidsWaiting).toBe(1);
  log.behave = () => Promise.resolve();
  later(LIMITS.retryAfterSeconds * 1_000);
  await redriver.append(recordOf(events));
  expect(log.records()[0]?.header).toMatchObject({ number: 1, ackedThrough: 0, voids: [0] });
  expect(numbering.voidsWaiting).toBe(0);
});

test('records of an archive are appended together, each under a number of ours, in their order', async () => {
  const { log, redriver } = setUp();
  const archived = ['a', 'b', 'a'].map((anonymousId, index) =>
    decodeRecord(
      recordOf([eventWith({ anonymousId, eventId: `${index}` })], { collector: 'other', number: 70 + index }),
    ),
  );
  expect(await redriver.appendAll(archived)).toEqual([0n, 1n, 2n].map((sequence) => ({ lane: '0', sequence })));
  expect(log.appends).toHaveLength(1);
  expect(log.records().map(({ header }) => [header.visitor, header.collector, header.number])).toEqual([
    ['a', 'mine', 0],
    ['b', 'mine', 1],
    ['a', 'mine', 2],
  ]);
  expect(log.events().map(({ eventId }) => eventId)).toEqual(['0', '1', '2']);
});

test('what the log does not take for what it is holds up nobody', async () => {
  const { log, numbering, redriver } = setUp();
  const archived = [decodeRecord(recordOf(events))];
  log.behave = () => Promise.reject(new ClickstreamError('body_too_large'));
  await expect(redriver.appendAll(archived)).rejects.toMatchObject({ code: 'body_too_large' });
  log.behave = () => Promise.resolve();
  await redriver.appendAll(archived);
  expect(log.records()[0]?.header).toMatchObject({ number: 1, voids: [0] });
  expect(numbering.witnessed.number).toBe(1);
});

test('what a log refuses before it is tried takes no number', async () => {
  const { log, numbering, redriver } = setUp();
  const refusal = new ClickstreamError('log_unavailable');
  log.refusal = () => refusal;
  await expect(redriver.append(recordOf(events))).rejects.toBe(refusal);
  expect(numbering.take(1).first).toBe(0);
  expect(numbering.voidsWaiting).toBe(0);
});

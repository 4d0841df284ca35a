import { expect, test } from 'vitest';
import { eventWith, recordOf, recordOfLines } from '../../tests/events.ts';
import { decodeRecord } from './record.ts';
import { scrubRecord } from './scrub.ts';

const UNTIL = '2026-11-23T10:30:00.000Z';
const IDS = [
  { source: 'default', visitor: 'other', until: UNTIL },
  { source: 'default', visitor: 'secret', until: UNTIL },
];
const of = (text: string, source = 'default') =>
  recordOfLines([JSON.stringify({ setAside: { code: 'time_invalid', detail: '' }, raw: text })], {
    visitor: '',
    source,
  });
const damaged = (record: Uint8Array) => {
  record[record.indexOf(0x0a) + 1] = 0x20;
  return record;
};

test.each<readonly [string, Uint8Array]>([
  ['a visitor', recordOf([eventWith({ anonymousId: 'secret' })])],
  ['a user', recordOf([eventWith(), eventWith({ userId: 'secret' })])],
  ['an event that is in a record of another', recordOf([eventWith({ anonymousId: 'secret' })], { visitor: 'a2' })],
  ['what was set aside', of('{"userId":"secret","quantity":1}')],
  ['what was set aside, cut off', of('{"userId":"secret"')],
  ['what was set aside and says not whose it is', of('{"properties":{"user":"secret"}}')],
  ['what names nobody', recordOfLines(['{"eventId":"e1","properties":{"user":"secret"}}'])],
  ['what is no line of ours', recordOfLines(['["secret"'])],
  ['a damaged record', damaged(recordOf([eventWith({ userId: 'secret' })]))],
])('of %s nothing stays but what the ledger goes by', (_, data) => {
  const scrubbed = scrubRecord(data, IDS);
  expect(scrubbed?.of).toEqual([1]);
  expect(scrubbed?.data).toHaveLength(data.length);
  expect(scrubbed?.data.includes('secret')).toBe(false);
  const { header } = decodeRecord(scrubbed?.data ?? data);
  expect(header).toMatchObject({ kind: 'erased', visitor: '', source: 'default', collector: 'c1', number: 0 });
});

test('of what has no header nothing stays at all', () => {
  const data = Buffer.from('no record of {"raw":"{\\"userId\\":\\"secret\\"}"}');
  expect(scrubRecord(data, IDS)).toEqual({ data: Buffer.alloc(data.length, ' '), of: [1] });
});

test.each<readonly [string, Uint8Array]>([
  ['of another source', of('{"userId":"secret"}', 'shop')],
  ['of others, with the id in a property', recordOf([eventWith({ properties: { seen: 'secret' } })])],
  ['set aside of others, with the id in a property', of('{"userId":"u1","properties":{"seen":"secret"}}')],
  ['that is no record, and of others', Buffer.from('no record of "secrets"')],
])('what is %s stays as it is', (_, data) => {
  expect(scrubRecord(data, IDS)).toBeUndefined();
});

test('what happened after the erasure stays, unless it is in a record with what happened before', () => {
  const receivedAt = '2026-11-23T11:00:00.000Z';
  const late = eventWith({ anonymousId: 'secret', receivedAt });
  const fresh = { ...late, timestamp: '2026-11-23T10:59:59.000Z' };
  expect(scrubRecord(recordOf([fresh]), IDS)).toBeUndefined();
  expect(scrubRecord(recordOf([fresh, late]), IDS)?.of).toEqual([1]);
  const raw = '{"userId":"secret","timestamp":"no time"}';
  const setAside = (at: string) =>
    recordOfLines([JSON.stringify({ setAside: { code: 'time_invalid', detail: '' }, raw })], { receivedAt: at });
  expect(scrubRecord(setAside(receivedAt), IDS)).toBeUndefined();
  expect(scrubRecord(setAside(UNTIL), IDS)?.of).toEqual([1]);
});

import { beforeEach, expect, test } from 'vitest';
import { MemoryEventLog } from '../../tests/contracts/memory-event-log.ts';
import { MemoryEventStore } from '../../tests/contracts/memory-event-store.ts';
import { eventWith, recordOf, recordOfLines } from '../../tests/events.ts';
import { Accept } from '../collect/accept.ts';
import { Numbering } from '../collect/numbering.ts';
import { segment } from '../collect/protocols/segment.ts';
import { LIMITS } from '../core/limits.ts';
import type { LaneRecord } from '../log/event-log.ts';
import { decodeReceipt, encodeReceipt } from '../log/receipt.ts';
import { scrubRecord } from '../log/scrub.ts';
import { answer, processBatch, seal } from '../pipeline.ts';
import { positionId } from './cursor.ts';

const NOW_MS = Date.parse('2026-11-25T10:00:00.000Z');
const DAY_MS = 86_400_000;
const LANE = 'lane-0';
const NOTHING = { stored: 0, duplicate: 0, bad: 0, dead: 0, forgotten: 0, lost: 0, pending: 0 };
const ALL_STORED = { ...NOTHING, notStored: [] };

let log: MemoryEventLog;
let store: MemoryEventStore;
let accept: Accept;
beforeEach(() => {
  log = new MemoryEventLog();
  store = new MemoryEventStore();
  accept = new Accept({ log, numbering: new Numbering('collector') });
});

/** What the collector answers to these calls with; a receipt for each request. */
async function send(...batch: readonly object[]): Promise<string> {
  const body = Buffer.from(JSON.stringify({ batch }));
  const receivedAt = NOW_MS;
  const mapped = segment.map({ method: 'POST', path: '/v1/batch', query: '', headers: {}, body, receivedAt });
  if (mapped.kind !== 'events') throw new Error(`a request is ${mapped.kind}`);
  return (await accept.accept(mapped, { source: 'shop', receivedAt })).receipt ?? '';
}

const page = (messageId: string, anonymousId = 'device') => ({ type: 'page', messageId, anonymousId });
const records = () => log.lanes.get(LANE) ?? [];
const process = (given = records()) => processBatch({ lane: LANE, records: given }, store);

async function ask(id: string, part: { readonly end?: bigint; readonly nowMs?: number } = {}) {
  const { end = BigInt(records().length - 1), nowMs = NOW_MS } = part;
  const question = { path: `/api/v1/receipts/${encodeURIComponent(id)}`, parameters: {} };
  const logEnds = () => new Map([[LANE, end]]);
  const report = (fault: unknown) => {
    throw fault;
  };
  const { status, body } = await answer(question, { reader: store, clock: () => nowMs, logEnds, report });
  return { status, ...JSON.parse(body) };
}

test('what is in the log and not processed is pending; then it is stored', async () => {
  const id = await send(page('a'), page('b', 'other'), page('c'));
  const told = { id, receivedAt: '2026-11-25T10:00:00.000Z', events: 3 };
  expect(await ask(id)).toEqual({ status: 200, state: 'pending', ...told, ...ALL_STORED, pending: 3 });
  await process(records().slice(0, 1));
  expect(await ask(id)).toEqual({ status: 200, state: 'pending', ...told, ...ALL_STORED, stored: 2, pending: 1 });
  await process();
  expect(await ask(id)).toEqual({ status: 200, state: 'done', ...told, ...ALL_STORED, stored: 3 });
});

/** As it is asked while single records are known, and once they are sealed. */
const TIMES: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['while the ledger knows single records', async () => undefined],
  ['once they are sealed', () => seal({ reader: store, store, nowMs: NOW_MS + 3 * DAY_MS })],
];

test.each(TIMES)('duplicates, what is bad and what is dead are told apart and named, %s', async (_, settle) => {
  const first = await send(page('a'), page('b'));
  const again = await send(page('a'), { type: 'wrong', anonymousId: 'device' }, page('c'));
  const broken = await send(page('d'), page('e'));
  const last = await send(page('f'));
  const damaged = records().map(({ sequence, data }, index) => ({
    sequence,
    data: index === 3 ? Buffer.from(Buffer.from(data).toString().replace('"page"', '"pagE"')) : data,
  }));
  await process(damaged);
  await settle();
  expect(await ask(first)).toMatchObject({ state: 'done', ...ALL_STORED, stored: 2 });
  expect(await ask(last)).toMatchObject({ state: 'done', ...ALL_STORED, stored: 1 });
  const at = (sequence: bigint, index: number) => positionId({ lane: LANE, sequence, index });
  expect(await ask(again)).toMatchObject({
    ...{ state: 'done', events: 3, ...NOTHING, stored: 1, duplicate: 1, bad: 1 },
    notStored: [
      { outcome: 'duplicate', lane: LANE, sequence: '1', index: 0 },
      { outcome: 'bad', lane: LANE, sequence: '2', index: 0, id: at(2n, 0), code: 'type_invalid' },
    ],
  });
  expect(await ask(broken)).toMatchObject({
    ...{ state: 'done', events: 2, ...NOTHING, dead: 2 },
    notStored: [{ outcome: 'dead', lane: LANE, sequence: '3', events: 2, id: at(3n, 0), detail: expect.any(String) }],
  });
});

test.each(TIMES)('what the lane is past and never processed is lost, never stored, %s', async (_, settle) => {
  const kept = await send(page('a'), page('x', 'other'));
  const lost = await send(page('b'), page('c'));
  await send(page('d'));
  await process(records().filter(({ sequence }) => sequence !== 2n));
  await settle();
  expect(await ask(kept)).toMatchObject({ ...NOTHING, stored: 2 });
  const notStored = [{ outcome: 'lost', lane: LANE, sequence: '2', events: 2 }];
  expect(await ask(lost)).toMatchObject({ state: 'done', ...NOTHING, lost: 2, notStored });
});

test.each(TIMES)('what was overwritten in the log is forgotten where it is processed anew, %s', async (_, settle) => {
  const id = await send(page('a'), page('b'));
  const [{ sequence, data }] = records() as [LaneRecord];
  const scrubbed = scrubRecord(data, [{ source: 'shop', visitor: 'device', until: new Date(NOW_MS).toISOString() }]);
  await process([{ sequence, data: scrubbed?.data ?? data }]);
  await settle();
  const notStored = [0, 1].map((index) => ({ outcome: 'forgotten', lane: LANE, sequence: '0', index }));
  expect(await ask(id)).toMatchObject({ state: 'done', ...NOTHING, forgotten: 2, notStored });
});

test.each(TIMES)('so is what cannot be read, of a person who was erased, %s', async (_, settle) => {
  await send(page('first', 'other'));
  const id = await send(page('a'), page('b'));
  const [first, { sequence, data }] = records() as [LaneRecord, LaneRecord];
  const receivedAt = new Date(NOW_MS).toISOString();
  const erase = { kind: 'erase', source: 'shop', visitor: 'device', receivedAt, collector: 'collector' } as const;
  await process([{ ...first, data: recordOfLines([], erase) }]);
  await process([{ sequence, data: Buffer.from(Buffer.from(data).toString().replace('"page"', '"pagE"')) }]);
  await settle();
  expect(await ask(id)).toMatchObject({ state: 'done', ...NOTHING, forgotten: 2 });
});

test('what lies where another record was acknowledged is not taken for it', async () => {
  const id = await send(page('a'));
  await process();
  const other = encodeReceipt({ ...decodeReceipt(id), number: 1 } as never) ?? '';
  expect(await ask(other)).toMatchObject({ ...NOTHING, lost: 1 });
  const elsewhere = encodeReceipt({ ...decodeReceipt(id), collector: 'elsewhere' } as never) ?? '';
  expect(await ask(elsewhere)).toMatchObject({ status: 404, code: 'receipt_unknown' });
});

test('a dead record is taken for it only if its header does not say that it is another', async () => {
  const known = await send(page('a'));
  const id = await send(page('b'));
  const others = Buffer.from(recordOf([eventWith()], { collector: 'another', visitor: 'other' }));
  await process([records()[0] as LaneRecord, { sequence: 1n, data: others }]);
  expect(await ask(known)).toMatchObject({ ...ALL_STORED, stored: 1 });
  expect(await ask(id)).toMatchObject({ ...NOTHING, lost: 1 });
  const unreadable = await send(page('c'));
  await process([{ sequence: 2n, data: Buffer.from('no record') }]);
  expect(await ask(unreadable)).toMatchObject({ ...NOTHING, dead: 1 });
  const elsewhere = encodeReceipt({ ...decodeReceipt(unreadable), collector: 'elsewhere' } as never) ?? '';
  expect(await ask(elsewhere)).toMatchObject({ status: 404, code: 'receipt_unknown' });
});

test('beyond the end of the log nothing is waited for', async () => {
  const known = await send(page('a'));
  await process();
  const cut = await send(page('b'));
  expect(await ask(cut, { end: 0n })).toMatchObject({ state: 'done', ...NOTHING, lost: 1 });
  expect(await ask(known, { end: 0n })).toMatchObject({ state: 'done', stored: 1 });
  // A collector whose every record the log has lost is one of another installation, as far as anything here says.
  store = new MemoryEventStore();
  expect(await ask(cut, { end: -1n })).toMatchObject({ status: 404, code: 'receipt_unknown' });
});

test('what is mistyped is no receipt, and one that is too old is not answered', async () => {
  const id = await send(page('a'));
  await process();
  for (const wrong of [id.slice(1), `${id}0`, id.replace('.1.', '.2.'), 'x', ' ']) {
    expect(await ask(wrong), wrong).toMatchObject({ status: 404, code: 'receipt_unknown' });
  }
  const positions = [{ lane: LANE, sequence: 5n }];
  const beyond = encodeReceipt({ ...decodeReceipt(id), receivedAtSeconds: 1e13, positions } as never) ?? '';
  // It could be pending as far as the log goes, and anywhere where nobody knows where that ends.
  expect(await ask(beyond, { end: 9n })).toMatchObject({ status: 404, code: 'receipt_unknown' });
  const lifeMs = LIMITS.receiptDays * DAY_MS;
  expect(await ask(id, { nowMs: NOW_MS + lifeMs })).toMatchObject({ status: 200, stored: 1 });
  expect(await ask(id, { nowMs: NOW_MS + lifeMs + 1 })).toMatchObject({ status: 410, code: 'receipt_expired' });
});

test('of very many that are not stored the first are named', async () => {
  const pages = Array.from({ length: 150 }, (_, place) => page(`m${place}`));
  await send(...pages);
  const id = await send(...pages, page('new'));
  await process();
  const { notStored, ...rest } = await ask(id);
  expect(rest).toMatchObject({ stored: 1, duplicate: 150 });
  expect(notStored).toHaveLength(LIMITS.receiptNotStoredMax);
});

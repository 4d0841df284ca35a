import { describe, expect, test, vi } from 'vitest';
import { MemoryEventStore } from '../../tests/contracts/memory-event-store.ts';
import { eventWith, recordOf, recordOfLines } from '../../tests/events.ts';
import type { Event } from '../core/event.ts';
import { eraseBytes } from './erase-bytes.ts';
import { processBatch } from './process-batch.ts';
import { LEDGER, type LedgerEntry, ledgerRows } from './views/ledger.ts';

const ERASED_AT = '2026-11-23T11:00:00.000Z';
const BEFORE = { timestamp: ERASED_AT, receivedAt: '2026-11-23T12:00:00.000Z' };
const AFTER = { timestamp: '2026-11-23T11:00:00.001Z', receivedAt: '2026-11-23T12:00:00.000Z' };

/** A store of which these were erased at `ERASED_AT`, and what becomes of records that come after that. */
class History {
  readonly store = new MemoryEventStore();
  #sequence = 0n;

  async take(...records: readonly Uint8Array[]): Promise<void> {
    const numbered = records.map((data) => {
      this.#sequence += 1n;
      return { sequence: this.#sequence, data };
    });
    let rest = numbered;
    while (rest.length > 0) {
      const { done } = await processBatch({ lane: 'l', records: rest }, this.store);
      rest = rest.filter(({ sequence }) => sequence > done);
    }
  }

  erase(visitor: string, header: { readonly source?: string; readonly receivedAt?: string } = {}): Promise<void> {
    return this.take(recordOfLines([], { kind: 'erase', visitor, number: 900, receivedAt: ERASED_AT, ...header }));
  }

  /** Of the last record. */
  async outcome(): Promise<Partial<LedgerEntry> | undefined> {
    const rows = await this.store.snapshot((reads) => reads.rows({ view: LEDGER.name, from: '', to: '\uffff' }));
    const entries = rows.flatMap(({ text }) => [...ledgerRows.decode(text).entries.values()].flat());
    const last = entries.find(({ sequence }) => sequence === this.#sequence);
    if (last === undefined) return undefined;
    const { stored, duplicate, bad, dead, forgotten = 0 } = last;
    return { stored, duplicate, bad, dead, forgotten };
  }

  async storedIds(): Promise<readonly string[]> {
    return this.store.events.map(({ stored }) => stored.eventId);
  }
}

const NOTHING = { stored: 0, duplicate: 0, bad: 0, dead: 0, forgotten: 0 };
const of = (part: Partial<Event>) => recordOf([eventWith(part)], { number: 1, receivedAt: BEFORE.receivedAt });

describe('what happened before an erasure', () => {
  test('is looked for in the log up to that one, not up to the latest of another', async () => {
    const history = new History();
    await history.erase('a1');
    await history.erase('b1', { receivedAt: '2026-11-23T13:00:00.000Z' });
    const apply = vi.spyOn(history.store, 'apply');
    await history.take(of(BEFORE));
    expect(apply.mock.lastCall?.[0].forgotten).toMatchObject([{ ids: [{ visitor: 'a1' }], until: ERASED_AT }]);
  });

  test.each<readonly [string, Partial<Event>, Partial<typeof NOTHING>]>([
    ['at its very time', BEFORE, { forgotten: 1 }],
    ['a millisecond later is new', AFTER, { stored: 1 }],
    ['of another visitor is theirs', { ...BEFORE, anonymousId: 'a2' }, { stored: 1 }],
    ['of another source is another visitor', { ...BEFORE, source: 'blog' }, { stored: 1 }],
    [
      'of a user who was erased, on a device that was not',
      { ...BEFORE, anonymousId: 'a2', userId: 'u' },
      { forgotten: 1 },
    ],
    ['of that user after it is new', { ...AFTER, anonymousId: 'a2', userId: 'u' }, { stored: 1 }],
  ])('%s', async (_, event, outcome) => {
    const history = new History();
    await history.erase('a1');
    await history.erase('u');
    await history.take(of(event));
    expect(await history.outcome()).toEqual({ ...NOTHING, ...outcome });
  });

  test('does not come back by the same record once more', async () => {
    const history = new History();
    const record = recordOf([eventWith(), eventWith({ eventId: 'e2' })]);
    await history.take(record);
    await history.erase('a1');
    expect(await history.storedIds()).toEqual([]);
    await history.take(record);
    expect(await history.outcome()).toEqual({ ...NOTHING, forgotten: 2 });
    expect(await history.storedIds()).toEqual([]);
    expect(history.store.visitors.size).toBe(0);
  });

  test('is forgotten also where it is stored, for it was not erased, whether or not the store looked for it', async () => {
    const history = new History();
    const record = of({ ...BEFORE, anonymousId: 'a2', userId: 'u' });
    await history.take(record);
    await history.erase('u');
    await history.take(record);
    expect(await history.outcome()).toEqual({ ...NOTHING, forgotten: 1 });
    expect(await history.storedIds()).toEqual(['e1']);
  });

  test('goes by the latest event where a clock was ahead of that of the erasure', async () => {
    const history = new History();
    const ahead = { timestamp: '2026-11-23T11:00:05.000Z', receivedAt: '2026-11-23T11:00:05.000Z' };
    await history.take(of(ahead));
    await history.erase('a1');
    await history.take(of(ahead));
    expect(await history.outcome()).toEqual({ ...NOTHING, forgotten: 1 });
  });

  test('is told in the note that receipts are answered by', async () => {
    const history = new History();
    await history.erase('a1');
    const late = eventWith({ ...AFTER, eventId: 'new' });
    await history.take(recordOf([eventWith(), late], { number: 1 }));
    const [note] = await history.store.snapshot((reads) => reads.notesAt([{ lane: 'l', sequence: 2n }]));
    expect(note).toMatchObject({ duplicates: [], bad: [], forgotten: [0] });
  });

  test('is forgotten too where its bytes were overwritten in the log, should it be processed once more', async () => {
    const history = new History();
    await history.take(recordOfLines([], { kind: 'erased', visitor: '', count: 3, number: 5 }));
    expect(await history.outcome()).toEqual({ ...NOTHING, forgotten: 3 });
    // A header that somebody else wrote may say anything.
    await history.take(recordOfLines([], { kind: 'erased', visitor: '', count: 2 ** 50, number: 6 }));
    expect(await history.outcome()).toEqual({ ...NOTHING, forgotten: 2 ** 50 });
    const places = [1n, 2n].map((sequence) => ({ lane: 'l', sequence }));
    const notes = await history.store.snapshot((reads) => reads.notesAt(places));
    expect(notes).toMatchObject([{ sequence: 1n, duplicates: [], bad: [], forgotten: [0, 1, 2] }]);
  });
});

/** More texts and numbers than one event should have. */
const MANY = Array.from({ length: 3_000 }, (_, index) => index + 100).join();

describe('what cannot be read', () => {
  const setAside = (raw: string) =>
    recordOfLines([JSON.stringify({ setAside: { code: 'time_invalid', detail: 'got "x"' }, raw })], {
      visitor: '',
      number: 1,
    });
  const damaged = (receivedAt: string) => {
    const record = recordOf([eventWith({ receivedAt })], { number: 1 });
    record[record.length - 2] = 0x20;
    return record;
  };

  test.each<readonly [string, Uint8Array, Partial<typeof NOTHING>]>([
    ['an event set aside with the id in it', setAside('{"anonymousId":"a1","timestamp":"no"}'), { forgotten: 1 }],
    ['one with a number as the id', setAside('{"userId":17}'), { forgotten: 1 }],
    ['one with an escaped id', setAside('{"anonymousId":"\\u00611"}'), { forgotten: 1 }],
    ['one with a number written otherwise', setAside('{"userId":1.7e1}'), { forgotten: 1 }],
    ['one that is cut off', setAside('{"anonymousId":"a1"'), { forgotten: 1 }],
    ['one that names nobody, behind many others', setAside(`{"of":[${MANY}],"who":"a1"}`), { forgotten: 1 }],
    ['one with an object for an id', setAside('{"userId":{"id":17}}'), { forgotten: 1 }],
    ['one of another', setAside('{"anonymousId":"a12"}'), { bad: 1 }],
    ['one of another, who mentions the ids', setAside('{"userId":"u2","sku":"a1","quantity":17}'), { bad: 1 }],
    ['a line that is no event', recordOfLines(['{"eventId":"x"}'], { number: 1 }), { forgotten: 1 }],
    ['one with the id beside another device', recordOfLines(['{"userId":"17"}'], { visitor: 'a2' }), { forgotten: 1 }],
    ['a damaged record', damaged('2026-11-23T10:59:00.000Z'), { forgotten: 1 }],
    ['a record with an event of another visitor', recordOf([eventWith()], { visitor: 'a2' }), { forgotten: 1 }],
    ['one with an event of the user', recordOf([eventWith({ userId: '17' })], { visitor: 'a2' }), { forgotten: 1 }],
    ['one of nobody who was erased', recordOf([eventWith({ anonymousId: 'a3' })], { visitor: 'a2' }), { dead: 1 }],
    ['a damaged record that came later', damaged('2026-11-23T11:01:00.000Z'), { dead: 1 }],
  ])('goes by its arrival: %s', async (_, record, outcome) => {
    const history = new History();
    await history.erase('a1');
    await history.erase('17');
    await history.take(record);
    expect(await history.outcome()).toEqual({ ...NOTHING, ...outcome });
  });

  test('and lies in the store is found, and only that', async () => {
    const history = new History();
    const own = setAside('{"anonymousId":"a1"}');
    const other = setAside('{"anonymousId":"other"}');
    const within = setAside('{"userId":"a1"}').map((byte, index) => (index === 5 ? 0x20 : byte));
    await history.take(own, other, damaged('2026-11-23T10:59:00.000Z'), within);
    await history.erase('a1');
    const erasing = await history.store.snapshot((reads) => reads.erasing(10));
    await eraseBytes(erasing, { reader: history.store, store: history.store });
    const { bad, dead } = await history.store.snapshot(async (reads) => ({
      bad: await reads.badAt([1n, 2n].map((sequence) => ({ lane: 'l', sequence, index: 0 }))),
      dead: await reads.dead(10),
    }));
    expect(bad.map(({ payload }) => payload)).toEqual(['', '{"anonymousId":"other"}']);
    expect(dead.map(({ payload }) => payload.length)).toEqual([0, 0]);
  });

  test('and is of others, who mention the id, stays in the store', async () => {
    const history = new History();
    const payloads = [
      '{"userId":"heidi","properties":{"quantity":1}}',
      '{"userId":"ivan","properties":{"sku":"1"}}',
      `{"properties":{"of":[${MANY}]},"userId":1}`,
      `{"properties":{"of":[${MANY}],"who":1}}`,
    ];
    const dead = recordOf([eventWith({ properties: { sku: '1' } })], { visitor: 'a2', number: 2 });
    await history.take(...payloads.map(setAside), dead);
    await history.erase('1');
    const erasing = await history.store.snapshot((reads) => reads.erasing(10));
    await eraseBytes(erasing, { reader: history.store, store: history.store });
    const { bad, left } = await history.store.snapshot(async (reads) => ({
      bad: await reads.badAt(payloads.map((_, index) => ({ lane: 'l', sequence: BigInt(index + 1), index: 0 }))),
      left: await reads.dead(10),
    }));
    expect(bad.map(({ payload }) => payload)).toEqual([payloads[0], payloads[1], '', '']);
    expect(left.map(({ payload }) => Buffer.from(payload))).toEqual([Buffer.from(dead)]);
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventWith, recordOf, recordOfLines } from '../../../tests/events.ts';
import { LIMITS } from '../../core/limits.ts';
import { answer, processBatch } from '../../pipeline.ts';
import type { EventReader, EventReads, EventStore } from '../../store/event-store.ts';
import { openEventReader } from './event-reader.ts';
import { openEventStore } from './event-store.ts';

const EVENTS_A_RECORD = 500;
const RECORDS = 1 + LIMITS.auditPieceEvents / EVENTS_A_RECORD;
const EVENTS = RECORDS * EVENTS_A_RECORD;

let folder: string;
let store: EventStore;
let reader: EventReader;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'deep-audit-'));
  store = openEventStore({ folder });
  reader = openEventReader({ folder });
  for (let number = 0; number < RECORDS; number += 1) await process(number, recordOfVisitor(number));
});
afterEach(async () => {
  await reader.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

/** Each in an hour of its own. */
function arrivalOf(number: number): string {
  return new Date(Date.parse('2026-11-23T10:00:01.000Z') + number * 3_600_000).toISOString();
}

/** One of a visitor of its own. */
function recordOfVisitor(number: number): Uint8Array {
  const events = Array.from({ length: EVENTS_A_RECORD }, (_, place) =>
    eventWith({ eventId: `e${number}-${place}`, anonymousId: `a${number}`, receivedAt: arrivalOf(number) }),
  );
  return recordOf(events, { number, ackedThrough: number - 1 });
}

function process(number: number, data: Uint8Array): Promise<unknown> {
  return processBatch({ lane: 'a', records: [{ sequence: BigInt(number), data }] }, store);
}

function removeByHand(...ids: readonly number[]): void {
  const database = new DatabaseSync(join(folder, 'store.sqlite'));
  database.exec(`DELETE FROM events WHERE id IN (${ids.join()})`);
  database.close();
}

/** `meanwhile` runs when the first piece of the events is counted, once. */
async function audited(meanwhile: () => Promise<unknown>) {
  let counts = 0;
  const interrupted: EventReader = {
    snapshot: (read) => reader.snapshot((reads) => read(interruptedReads(reads))),
    close: async () => undefined,
  };
  const interruptedReads = (reads: EventReads): EventReads => {
    const storedCounts: EventReads['storedCounts'] = async (asked) => {
      counts += 1;
      const counted = reads.storedCounts(asked);
      if (counts === 1) await meanwhile();
      return counted;
    };
    // Its methods are of a class, which a copy would not have.
    return new Proxy(reads, {
      get: (of, name: keyof EventReads) => (name === 'storedCounts' ? storedCounts : of[name].bind(of)),
    });
  };
  const question = { path: '/api/v1/audit', parameters: { deep: 'true' } };
  const { body } = await answer(question, { reader: interrupted, clock: Date.now, report: () => undefined });
  return { counts, audit: JSON.parse(body) };
}

it('passes over what is stored while it counts, and holds up neither the write-ahead log nor other readers', async () => {
  const other = openEventReader({ folder });
  const database = new DatabaseSync(join(folder, 'store.sqlite'));
  const { counts, audit } = await audited(async () => {
    await process(RECORDS, recordOfVisitor(RECORDS));
    expect(database.prepare('PRAGMA wal_checkpoint(RESTART)').get()).toMatchObject({ busy: 0 });
    const totals = await other.snapshot((reads) => reads.totals());
    expect(totals.events).toBe(EVENTS + EVENTS_A_RECORD);
  });
  expect(audit).toMatchObject({ balanced: true, deep: true, problems: [], stored: EVENTS });
  expect(counts).toBe(1);
  database.close();
  await other.close();
});

it.each([0, RECORDS - 1])('counts anew when one is erased meanwhile: the visitor of record %i', async (number) => {
  const { counts, audit } = await audited(() => {
    const header = { kind: 'erase', visitor: `a${number}`, number: RECORDS, ackedThrough: RECORDS - 1 } as const;
    return process(RECORDS, recordOfLines([], { ...header, receivedAt: arrivalOf(RECORDS) }));
  });
  expect(audit).toMatchObject({ balanced: true, deep: true, problems: [], stored: EVENTS, erased: EVENTS_A_RECORD });
  expect(counts).toBe(2);
});

it('passes over what expires meanwhile, a part of a record with it, and names what else is missing', async () => {
  const cut = EVENTS_A_RECORD * 1.5;
  const { counts, audit } = await audited(async () => {
    expect(await store.expire({ receivedAt: arrivalOf(3), limit: cut })).toBe(cut);
    removeByHand(EVENTS);
  });
  expect(audit.problems).toMatchObject([{ kind: 'event_missing', sequence: String(RECORDS - 1) }]);
  expect(counts).toBe(1);
  const later = await audited(async () => undefined);
  expect(later.audit.problems).toMatchObject([{ kind: 'event_missing', sequence: String(RECORDS - 1) }]);
  expect(later.audit).toMatchObject({ expired: cut, stored: EVENTS });
});

it('names what is missing of any piece', async () => {
  removeByHand(1, LIMITS.auditPieceEvents, LIMITS.auditPieceEvents + 1, EVENTS);
  const { audit } = await audited(async () => undefined);
  expect(audit.problems.map(({ kind, sequence }: Record<string, unknown>) => ({ kind, sequence }))).toEqual(
    [0, RECORDS - 2, RECORDS - 1].map((sequence) => ({ kind: 'event_missing', sequence: String(sequence) })),
  );
});

it('balances when what a clock that was ahead had dated expires with what came after it', async () => {
  const ahead = '2031-01-01T00:00:00.000Z';
  const of = (number: number, receivedAt: string) =>
    recordOf([eventWith({ eventId: `late ${number}`, anonymousId: 'late', receivedAt })], {
      number,
      visitor: 'late',
      receivedAt,
      ackedThrough: number - 1,
    });
  const receivedAt = arrivalOf(RECORDS + 2);
  for (const [place, arrival] of [ahead, ahead, arrivalOf(RECORDS), receivedAt, ahead].entries()) {
    await process(RECORDS + place, of(RECORDS + place, arrival));
  }
  // Those two that are dated ahead are passed with the last that is due, and the third, behind which nothing is due, is not.
  for (const piece of [EVENTS + 1, 2, 0]) expect(await store.expire({ receivedAt, limit: EVENTS + 1 })).toBe(piece);
  const whole = { balanced: true, problems: [], stored: EVENTS + 5, expired: EVENTS + 3 };
  expect((await audited(async () => undefined)).audit).toMatchObject(whole);
  // Also when that hour is over, and those of it that came since still lie there.
  await process(RECORDS + 5, of(RECORDS + 5, '2031-01-01T00:30:00.000Z'));
  expect(await store.expire({ receivedAt: '2030-12-31T23:00:00.000Z', limit: EVENTS })).toBe(1);
  const after = (await audited(async () => undefined)).audit;
  expect(after).toMatchObject({ balanced: true, problems: [], expired: EVENTS + 4 });
});

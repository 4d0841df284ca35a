import { describe, expect, test } from 'vitest';
import { MemoryEventLog } from '../../tests/contracts/memory-event-log.ts';
import { MemoryEventStore } from '../../tests/contracts/memory-event-store.ts';
import { eventWith, recordOf } from '../../tests/events.ts';
import { readerOf } from '../../tests/listed-reads.ts';
import { Numbering } from '../collect/numbering.ts';
import { Redriver } from '../collect/redrive.ts';
import { LIMITS } from '../core/limits.ts';
import { decodeRecord } from '../log/record.ts';
import { answer, createEnrich, processBatch } from '../pipeline.ts';
import type { DeadRecord, EventReader } from '../store/event-store.ts';
import { answerRedrive, createRedrive, type RedriveParts } from './dead.ts';

const LANE = 'lane-0';
const BROKEN = 'Broken';

async function ask(reader: EventReader, path: string, parameters: Readonly<Record<string, string>> = {}) {
  const { status, body } = await answer(
    { path, parameters },
    {
      reader,
      clock: () => Date.parse('2026-11-23T10:04:30.000Z'),
      log: async () => ({ records: [], findings: [] }),
      report: (fault) => {
        throw fault;
      },
    },
  );
  return { status, body: JSON.parse(body) };
}

const bytes = (...values: readonly number[]) => new Uint8Array(values);
const recordAt = (sequence: bigint, part: Partial<DeadRecord> = {}): DeadRecord => ({
  ...{ lane: 'local', sequence, detail: `reason ${sequence}`, payload: bytes(1, 2, 3) },
  ...part,
});

describe('dead records', () => {
  test('come newest first, page by page, without their bytes', async () => {
    const dead = Array.from({ length: 25 }, (_, number) => recordAt(BigInt(number)));
    const redriven = { lane: 'local', sequence: 90n };
    const reader = readerOf({
      dead: [...dead, recordAt(25n, { redriven, payload: recordOf([eventWith()]) })],
    });
    const first = await ask(reader, '/api/v1/dead', { limit: '24' });
    expect(first.body.dead).toHaveLength(24);
    expect(first.body.dead.slice(0, 2)).toEqual([
      {
        ...{ id: 'bG9jYWw6MjU6MA', lane: 'local', sequence: '25', reason: 'reason 25' },
        ...{ bytes: recordOf([eventWith()]).length, receivedAt: '2026-11-23T10:00:01.000Z' },
        redriven: { lane: 'local', sequence: '90' },
      },
      {
        ...{ id: 'bG9jYWw6MjQ6MA', lane: 'local', sequence: '24', reason: 'reason 24' },
        ...{ bytes: 3, receivedAt: null, redriven: null },
      },
    ]);
    const { body } = await ask(reader, '/api/v1/dead', { limit: '24', cursor: first.body.cursor });
    expect(body.dead.map(({ sequence }: { readonly sequence: string }) => sequence)).toEqual(['1', '0']);
    expect(body.cursor).toBeNull();
    const exact = await ask(reader, '/api/v1/dead', { limit: '26' });
    expect([exact.body.dead.length, exact.body.cursor]).toEqual([26, null]);
  });

  test('are read a few at a time', async () => {
    const limits: number[] = [];
    const reader = readerOf({ dead: Array.from({ length: 35 }, (_, number) => recordAt(BigInt(number))) });
    const listening: EventReader = {
      close: async () => undefined,
      snapshot: (read) =>
        reader.snapshot((reads) =>
          read({
            ...reads,
            dead: (limit, after) => {
              limits.push(limit);
              return reads.dead(limit, after);
            },
          }),
        ),
    };
    const { body } = await ask(listening, '/api/v1/dead', { limit: '30' });
    expect(body.dead).toHaveLength(30);
    expect(Math.max(...limits)).toBe(LIMITS.badEventsStep);
  });

  test('that are large end a page early, and none is left out', async () => {
    const payload = new Uint8Array(LIMITS.pageCharsMax / 4);
    const dead = Array.from({ length: 25 }, (_, number) => recordAt(BigInt(number), { payload }));
    const found: string[] = [];
    const pages: number[] = [];
    let cursor: string | null | undefined;
    do {
      const { body } = await ask(readerOf({ dead }), '/api/v1/dead', { ...(cursor && { cursor }) });
      found.push(...body.dead.map(({ sequence }: { readonly sequence: string }) => sequence));
      pages.push(body.dead.length);
      cursor = body.cursor;
    } while (cursor !== null);
    expect(found).toEqual(dead.map(({ sequence }) => String(sequence)).reverse());
    expect(pages).toEqual([10, 10, 5]);
  });

  test('are shown whole, as text where they are', async () => {
    const payload = recordOf([eventWith({ properties: { name: 'é😀' } })]);
    const damaged = payload.map((byte, index) => (index === payload.length - 2 ? byte ^ 1 : byte));
    const reader = readerOf({
      dead: [
        recordAt(1n, { payload: damaged }),
        recordAt(2n, { payload: bytes(0xef, 0xbb, 0xbf, 65) }),
        recordAt(3n, { payload: bytes(65, 255) }),
      ],
    });
    const one = await ask(reader, '/api/v1/dead/bG9jYWw6MTow');
    // Its checksum differs, and its header can be read.
    expect(one.body).toMatchObject({ bytes: damaged.length, receivedAt: '2026-11-23T10:00:01.000Z' });
    expect(one.body.text).toBe(Buffer.from(damaged).toString());
    expect(Buffer.from(one.body.payload, 'base64')).toEqual(Buffer.from(damaged));
    expect((await ask(reader, '/api/v1/dead/bG9jYWw6Mjow')).body).toMatchObject({
      payload: '77u/QQ==',
      text: '\ufeffA',
    });
    expect((await ask(reader, '/api/v1/dead/bG9jYWw6Mzow')).body).toMatchObject({ payload: 'Qf8=', text: null });
  });

  test.each(['bG9jYWw6OTow', 'bG9jYWw6MTox', 'none', '%20'])('%s is none', async (id) => {
    const { status, body } = await ask(readerOf({ dead: [recordAt(1n)] }), `/api/v1/dead/${id}`);
    expect([status, body.code]).toEqual([404, 'not_found']);
  });
});

/** A pipeline in memory, of which the processor has a fault until it is mended. */
class Pipeline {
  readonly log = new MemoryEventLog();
  readonly store = new MemoryEventStore();
  readonly numbering = new Numbering('collector');
  isMended = false;
  readonly #enrich = createEnrich({ domains: () => [] });

  /** As a process does that has just started: it remembers nothing of the one before. */
  redrive(part: Partial<RedriveParts> = {}) {
    const redriver = new Redriver({ log: this.log, numbering: new Numbering(), clock: Date.now });
    return createRedrive({
      find: (place) => this.store.snapshot((reads) => reads.deadAt(place)),
      append: (payload) => redriver.append(payload),
      mark: (lane, sequence, position) => this.store.markRedriven(lane, sequence, position),
      ...part,
    });
  }

  async append(payload: Uint8Array): Promise<void> {
    await this.log.append([{ partitionKey: 'any', data: Buffer.from(payload).toString() }]);
  }

  async process(): Promise<void> {
    await processBatch(
      {
        lane: LANE,
        records: this.log.lanes.get(LANE) ?? [],
        steps: {
          enrich: (event) => {
            if (event.eventType === BROKEN && !this.isMended) throw new Error('a fault of the program');
            return this.#enrich(event);
          },
        },
      },
      this.store,
    );
  }

  get length(): number {
    return this.log.lanes.get(LANE)?.length ?? 0;
  }

  async audit() {
    const { body } = await ask(this.store, '/api/v1/audit', { deep: 'true' });
    const { balanced, accepted, stored, duplicate, dead, problems } = body;
    return { balanced, accepted, stored, duplicate, dead, problems };
  }
}

const number = (of: number) => ({ collector: 'collector', number: of, ackedThrough: of - 1 });
const BAD_ID = Buffer.from(`${LANE}:1:0`).toString('base64url');
const NEW_PLACE = { lane: LANE, sequence: 3n };

/** A good record, one that the fault makes dead, and one that is no record. */
async function withDead(): Promise<Pipeline> {
  const pipeline = new Pipeline();
  const broken = [1, 2].map((of) => eventWith({ eventId: `b${of}`, eventType: BROKEN }));
  await pipeline.append(recordOf([eventWith({ eventId: 'good' })], number(0)));
  await pipeline.append(recordOf(broken, number(1)));
  await pipeline.append(Buffer.from('no record'));
  await pipeline.process();
  expect(await pipeline.audit()).toEqual({
    ...{ balanced: true, accepted: 3, stored: 1, duplicate: 0, dead: 2, problems: [] },
  });
  return pipeline;
}

const MENDED = { balanced: true, accepted: 5, stored: 3, duplicate: 0, dead: 2, problems: [] };

describe('a record that is put back', () => {
  test('is stored once, and the ledger balances; it stays counted as dead at its old place', async () => {
    const pipeline = await withDead();
    pipeline.isMended = true;
    const { id, ...done } = await pipeline.redrive()(BAD_ID);
    expect({ id, ...done }).toEqual({ id: BAD_ID, redriven: NEW_PLACE, appended: true });
    await pipeline.process();
    expect(await pipeline.audit()).toEqual(MENDED);
    const events = pipeline.store.events.map(({ stored }) => [stored.eventId, stored.position.sequence]);
    expect(events).toEqual([
      ['good', 0n],
      ['b1', 3n],
      ['b2', 3n],
    ]);
    const { body } = await ask(pipeline.store, `/api/v1/dead/${BAD_ID}`);
    expect(body).toMatchObject({ sequence: '1', redriven: { lane: LANE, sequence: '3' } });
  });

  test('is not put back again: by the same process, another, or at once', async () => {
    const pipeline = await withDead();
    pipeline.isMended = true;
    const redrive = pipeline.redrive();
    const both = await Promise.all([redrive(BAD_ID), redrive(BAD_ID), redrive(BAD_ID)]);
    expect(both.map(({ appended }) => appended)).toEqual([true, false, false]);
    for (const again of [redrive, pipeline.redrive()]) {
      expect(await again(BAD_ID)).toEqual({ id: BAD_ID, redriven: NEW_PLACE, appended: false });
    }
    expect(pipeline.length).toBe(4);
    await pipeline.process();
    expect(await pipeline.redrive()(BAD_ID)).toMatchObject({ appended: false });
    expect(pipeline.length).toBe(4);
    expect(await pipeline.audit()).toEqual(MENDED);
  });

  test('while its fault is still there is dead once more, at its new place, and can be put back from there', async () => {
    const pipeline = await withDead();
    await pipeline.redrive()(BAD_ID);
    await pipeline.process();
    expect(await pipeline.audit()).toMatchObject({ balanced: true, accepted: 5, stored: 1, dead: 4 });
    pipeline.isMended = true;
    await pipeline.redrive()(Buffer.from(`${LANE}:3:0`).toString('base64url'));
    await pipeline.process();
    expect(await pipeline.audit()).toMatchObject({ balanced: true, accepted: 7, stored: 3, dead: 4 });
  });

  test('and whose sender had sent it again meanwhile is a duplicate', async () => {
    const pipeline = await withDead();
    pipeline.isMended = true;
    await pipeline.append(recordOf([eventWith({ eventId: 'b1', eventType: BROKEN })], number(2)));
    await pipeline.process();
    await pipeline.redrive()(BAD_ID);
    await pipeline.process();
    expect(await pipeline.audit()).toMatchObject({ balanced: true, accepted: 6, stored: 3, duplicate: 1, dead: 2 });
  });

  test('by a process that dies before the note of it is made is put back once more, and stored once', async () => {
    const pipeline = await withDead();
    pipeline.isMended = true;
    const dying = pipeline.redrive({ mark: () => Promise.reject(new Error('killed')) });
    await expect(dying(BAD_ID)).rejects.toThrow('killed');
    await pipeline.process();
    expect(await pipeline.redrive()(BAD_ID)).toMatchObject({ redriven: { sequence: 4n }, appended: true });
    await pipeline.process();
    expect(await pipeline.audit()).toEqual({ ...MENDED, accepted: 7, duplicate: 2 });
  });

  test('and of which the note failed is only noted when it is asked for again', async () => {
    const pipeline = await withDead();
    let fails = true;
    const redrive = pipeline.redrive({
      mark: (...note) => (fails ? Promise.reject(new Error('full disk')) : pipeline.store.markRedriven(...note)),
    });
    await expect(redrive(BAD_ID)).rejects.toThrow('full disk');
    fails = false;
    expect(await redrive(BAD_ID)).toEqual({ id: BAD_ID, redriven: NEW_PLACE, appended: true });
    expect(pipeline.length).toBe(4);
  });

  test('by two at once that do not know of each other is told to both as the first note has it', async () => {
    const pipeline = await withDead();
    const meanwhile = pipeline.redrive();
    const redrive = pipeline.redrive({
      mark: async (...note) => {
        await meanwhile(BAD_ID);
        return pipeline.store.markRedriven(...note);
      },
    });
    expect(await redrive(BAD_ID)).toEqual({ id: BAD_ID, redriven: { lane: LANE, sequence: 4n }, appended: false });
  });

  test.each([
    ['no record', `${LANE}:2:0`, 'dead_unreadable'],
    ['nothing', `${LANE}:0:0`, 'not_found'],
    ['an event', `${LANE}:1:1`, 'not_found'],
    ['no place', 'what', 'not_found'],
  ])('when it is %s is refused, and nothing is appended', async (_, place, code) => {
    const pipeline = await withDead();
    const redriven = pipeline.redrive()(Buffer.from(place).toString('base64url'));
    await expect(redriven).rejects.toMatchObject({ code });
    expect(pipeline.length).toBe(3);
  });

  test('has a number of the one who puts it back', async () => {
    const pipeline = await withDead();
    await pipeline.redrive()(BAD_ID);
    const [, dead, , again] = (pipeline.log.lanes.get(LANE) ?? []).map(({ data }) => data);
    const before = decodeRecord(dead ?? bytes());
    const after = decodeRecord(again ?? bytes());
    expect(after.lines).toEqual(before.lines);
    expect(after.header.collector).not.toBe(before.header.collector);
    expect(after.header).toMatchObject({
      number: 0,
      ackedThrough: -1,
      voids: [],
      receivedAt: before.header.receivedAt,
    });
  });
});

describe('the request to put one back', () => {
  const redrive = async (id: string) => ({ id, redriven: { lane: 'local', sequence: 10n ** 55n }, appended: true });
  const asked = (part: {
    readonly path?: string;
    readonly body?: string;
    readonly parameters?: Record<string, string>;
  }) =>
    answerRedrive(redrive, {
      path: part.path ?? '/api/v1/dead/a%3A1/redrive',
      parameters: part.parameters ?? {},
      body: Buffer.from(part.body ?? ''),
    });
  test.each(['', '{}', ' {} \n'])('may say %j', async (body) => {
    const sequence = `1${'0'.repeat(55)}`;
    expect(JSON.parse(await asked({ body }))).toEqual({
      ...{ id: 'a:1', redriven: { lane: 'local', sequence }, appended: true },
    });
  });
  test.each([
    [{ body: '{' }, 'body_not_json'],
    [{ body: '[]' }, 'body_not_object'],
    [{ body: 'null' }, 'body_not_object'],
    [{ body: '{"as":"text"}' }, 'parameter_invalid'],
    [{ body: '{"__proto__":1}' }, 'parameter_invalid'],
    [{ parameters: { as: 'text' } }, 'parameter_invalid'],
    [{ path: '/api/v1/dead/%ff/redrive' }, 'parameter_invalid'],
  ])('with %j is refused', async (part, code) => {
    await expect(asked(part)).rejects.toMatchObject({ code });
  });
});

import { randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { QueryCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import { anEvent, identitiesOf } from '../../../tests/contracts/store-writing.ts';
import { aLane, dynamoToRead, itemOf, minute, type Sending } from '../../../tests/emulators/dynamo-to-read.ts';
import { LIMITS } from '../../core/limits.ts';
import type { EventPosition } from '../../store/event-store.ts';
import { putBadItems } from './bad-items.ts';
import { DynamoEventReader } from './dynamo-event-reader.ts';
import { deadAttributes, deadPk, keyOf, LANE_PK, number, sequenceText, text, textOf } from './items.ts';
import { putLarge } from './large-values.ts';

const { read, listening, putAll, state, tables } = dynamoToRead();

describe('what was set aside', () => {
  const aBad = async (position: EventPosition, payload = '{}') => {
    const event = { position, source: 'shop', receivedAt: minute(1), code: 'id_missing', detail: 'none', payload };
    await putBadItems(state(), [event], { hour: '2026-11-23T10', version: () => 'try' });
    return event;
  };

  it('is listed over all lanes, the newest first, page by page, and read by its place', async () => {
    await putAll(
      'state',
      ['a', 'b', 'c'].map((lane) => aLane(lane)),
    );
    const positions = ['a', 'b', 'c'].flatMap((lane) =>
      [7n, 8n, 10n ** 55n].flatMap((sequence) => [0, 1].map((index) => ({ lane, sequence, index }))),
    );
    for (const position of positions) await aBad(position);
    const newest = positions
      .toSorted(
        (a, b) => Number(a.sequence - b.sequence) || (a.lane < b.lane ? -1 : a.lane > b.lane ? 1 : a.index - b.index),
      )
      .reverse();
    const found: EventPosition[] = [];
    for (;;) {
      const page = await read((reads) => reads.badReasons({ limit: 5, after: found.at(-1) }));
      found.push(...page.map(({ position }) => position));
      if (page.length < 5) break;
    }
    expect(found).toEqual(newest);
    expect(await read((reads) => reads.badReasons({ limit: 0 }))).toEqual([]);
    const long = await aBad({ lane: 'b', sequence: 9n, index: 2 }, randomBytes(800_000).toString('hex'));
    const asked = [
      long.position,
      { lane: 'b', sequence: 9n, index: 3 },
      { lane: 'a', sequence: 7n, index: 1 },
      long.position,
    ];
    const at = await read((reads) => reads.badAt(asked));
    expect(at.map(({ position }) => position)).toEqual([asked[0], asked[2], asked[0]]);
    expect(at[0]).toEqual(long);
  });

  it('gives dead records with their bytes', async () => {
    await putAll(
      'state',
      ['a', 'b'].map((lane) => aLane(lane)),
    );
    const payload = new Uint8Array(600_000).map((_, place) => (place * 7919) % 251);
    for (const lane of ['a', 'b']) {
      const key = { pk: deadPk(lane), sk: sequenceText(3n) };
      const held = await putLarge(state(), key, deflateRawSync(payload, { level: 0 }), 'try');
      const attributes = deadAttributes({ lane, sequence: 3n, detail: `of ${lane}`, payload });
      await state().set({ pk: text(key.pk), sk: text(key.sk), ...attributes, ...held });
    }
    const dead = await read((reads) => reads.dead(5));
    expect(dead.map(({ lane, detail }) => `${lane}: ${detail}`)).toEqual(['b: of b', 'a: of a']);
    expect(Buffer.compare(dead[0]?.payload ?? Buffer.from(''), payload)).toBe(0);
    expect(await read((reads) => reads.dead(5, { lane: 'b', sequence: 3n }))).toHaveLength(1);
  });
});

describe('the audit', () => {
  it('sums what the lanes count', async () => {
    const totals = { events: 10, bad: 2, badExpired: 1, dead: 2, visitors: 3, expired: 4, erased: 1 };
    await putAll('state', [aLane('a', { totals, expiredThrough: 7n }), aLane('b', { totals })]);
    const found = await read(async (reads) => ({ totals: await reads.totals(), lanes: await reads.lanes() }));
    expect(found.totals).toEqual({
      ...{ events: 10, bad: 2, badExpired: 2, dead: 4, visitors: 6, expired: 8, erased: 2 },
      expiredThrough: new Map([['a', 7n]]),
    });
    expect([...found.lanes.keys()]).toEqual(['a', 'b']);
  });

  it('sees the lanes of one moment for as long as a snapshot lasts', async () => {
    await putAll('state', [aLane('a', { state: { done: 1n, registry: {}, cuts: {} } })]);
    const dones = await read(async (reads) => {
      const before = (await reads.lanes()).get('a')?.done;
      await putAll('state', [aLane('a', { state: { done: 2n, registry: {}, cuts: {} } })]);
      return [before, (await reads.lanes()).get('a')?.done];
    });
    expect(dones).toEqual([1n, 1n]);
    expect((await read((reads) => reads.lanes())).get('a')?.done).toBe(2n);
  });

  it('counts the stored events of each record, with those that were removed, over pages of a scan', async () => {
    const events = Array.from({ length: 1_500 }, (_, place) => anEvent({ anonymousId: `d${place % 7}` }));
    const items = events.map((event, place) =>
      itemOf(event, { lane: place % 2 === 0 ? 'a' : 'b', sequence: BigInt(place % 4), index: place }),
    );
    // Long enough for several pages of 1 MB.
    const padded = items.map((item) => ({ ...item, padding: { B: Buffer.alloc(2_000) } }));
    await putAll('events', padded);
    const [source, hour] = ['shop', '2026-11-23T10'];
    const removed = { events: number(5), source: text(source), hour: text(hour) };
    await putAll('state', [{ pk: text(keyOf('removed', 'a')), sk: text(sequenceText(2n)), ...removed }]);
    const early = events.filter((_, place) => place % 4 === 0);
    const through = new Map([['a', 9n]]);
    const isDetailed = ({ sequence }: { readonly sequence: bigint }) => sequence > 0n;
    // Of what was removed by an older version no checksums are known.
    const unknown = { identities: undefined };
    expect(await read((reads) => reads.storedCounts({ through, isDetailed }))).toEqual({
      records: [{ lane: 'a', sequence: 2n, source, hour, events: 380, ...unknown }],
      hours: [{ lane: 'a', source, hour, events: 755, ...unknown }],
    });
    expect(await read((reads) => reads.storedCounts({ through: new Map([['a', 1n]]), isDetailed }))).toEqual({
      records: [],
      hours: [{ lane: 'a', source, hour, events: 375, identities: identitiesOf(early) }],
    });
    expect(await read((reads) => reads.doubled(3))).toEqual([]);
    const [first, second, third] = [items[10], items[11], items[12]];
    if (first === undefined || second === undefined || third === undefined) throw new Error('unreachable');
    for (const [item, sequence] of [
      [first, 70n],
      [second, 71n],
      [third, 72n],
    ] as const) {
      const event = events[items.indexOf(item)];
      if (event === undefined) continue;
      const copy = itemOf(event, { lane: 'a', sequence, index: 0 });
      const Item = { ...copy, sk: text(`${textOf(copy, 'sk')}\0copy`) };
      await putAll('events', [Item]);
    }
    const doubled = await read((reads) => reads.doubled(10));
    expect(doubled.map(({ positions }) => positions.map(({ sequence }) => Number(sequence))).sort()).toEqual([
      [0, 72],
      [2, 70],
      [3, 71],
    ]);
    expect(await read((reads) => reads.doubled(2))).toHaveLength(2);
  });
});

it('lists a user once for each visitor, in the order linked', async () => {
  const link = (visitor: string, order: string) => ({
    ...{ pk: text(keyOf('link', 'u')), sk: text(keyOf('shop', visitor)), order: text(order) },
  });
  await putAll('state', [link('a', '3'), link('b', '1'), link('c', '2'), aLane(LANE_PK)]);
  const visitors = await read((reads) => reads.visitorsOf('u', 2));
  expect(visitors).toEqual([
    { source: 'shop', visitor: 'b' },
    { source: 'shop', visitor: 'c' },
  ]);
});

it('reads no more links of a user than a timeline follows, however many there are', async () => {
  const many = 2 * LIMITS.linksPerUserMax + 7;
  const links = Array.from({ length: many }, (_, place) => ({
    ...{ pk: text(keyOf('link', 'guest')), sk: text(keyOf('shop', `d${place}`)), order: text(String(many - place)) },
  }));
  await putAll('state', links);
  let items = 0;
  const client = listening(
    async () => {},
    (command, answer) => {
      if (command instanceof QueryCommand) items += (answer as { readonly Items: readonly unknown[] }).Items.length;
      return answer;
    },
  );
  const visitors = await read((reads) => reads.visitorsOf('guest', LIMITS.linksPerUserMax), client);
  expect(visitors).toHaveLength(LIMITS.linksPerUserMax);
  expect(items).toBe(LIMITS.linksPerUserMax);
  expect(await read((reads) => reads.visitorsOf('guest', 1), client)).toHaveLength(1);
  expect(items).toBe(2 * LIMITS.linksPerUserMax);
}, 30_000);

describe('a snapshot of tables that are too slow', () => {
  it('is refused in time, with every call ended and none begun any more', async () => {
    let begun = 0;
    let ended = 0;
    const client = {
      send: (_: unknown, { abortSignal }: { readonly abortSignal: AbortSignal }) => {
        begun += 1;
        const answer = Promise.withResolvers<never>();
        abortSignal.addEventListener('abort', () => {
          ended += 1;
          answer.reject(abortSignal.reason);
        });
        return answer.promise;
      },
    } as unknown as Sending;
    const reader = new DynamoEventReader({ client, tables: tables(), snapshotMsMax: 30 });
    const begins = performance.now();
    const later = Promise.withResolvers<unknown>();
    const asked = reader.snapshot(async (reads) => {
      const first = reads.totals();
      const second = first.catch(() => reads.lanes());
      second.catch(later.resolve);
      return first;
    });
    await expect(asked).rejects.toMatchObject({ code: 'query_unavailable', message: expect.stringContaining('30 ms') });
    expect(performance.now() - begins).toBeLessThan(5_000);
    await later.promise;
    expect([begun, ended]).toEqual([1, 1]);
  });
});

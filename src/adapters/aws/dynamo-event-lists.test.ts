import { BatchGetItemCommand, QueryCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import { anEvent } from '../../../tests/contracts/store-writing.ts';
import { dynamoToRead, itemOf, minute } from '../../../tests/emulators/dynamo-to-read.ts';
import { LIMITS } from '../../core/limits.ts';
import type { EventRange, StoredEvent } from '../../store/event-store.ts';
import { EventKinds } from './event-kinds.ts';
import { type Item, text, textOf, typeOrderOf } from './items.ts';

const { read, listening, putAll, putEvents, state, tables } = dynamoToRead();

const sequencesOf = (events: readonly StoredEvent[]) => events.map(({ position }) => Number(position.sequence));

const markOf = ({ timestamp, position }: StoredEvent) => ({ time: timestamp, ...position });

describe('lists by time', () => {
  const kinds = 4 * 5;
  const manyKinds = Array.from({ length: 120 }, (_, place) =>
    anEvent({
      timestamp: minute((place * 7) % 60),
      eventType: `type-${place % 5}`,
      source: `source-${place % 4}`,
      anonymousId: `d${place % 11}`,
    }),
  );

  it('merges the lists of all kinds and shards, looks once into each, and reads little more than the page', async () => {
    await putEvents(manyKinds);
    let queries = 0;
    let entries = 0;
    const client = listening(
      async (command) => {
        if (command instanceof QueryCommand && command.input.IndexName !== undefined) queries += 1;
      },
      (command, answer) => {
        if (command instanceof QueryCommand) entries += (answer as { Items: readonly Item[] }).Items.length;
        return answer;
      },
    );
    const found = await read((reads) => reads.events({ order: 'desc', limit: 20 }), client);
    const newest = manyKinds
      .map(({ timestamp }, place) => ({ timestamp, sequence: place + 1 }))
      .sort((a, b) => (a.timestamp < b.timestamp ? 1 : a.timestamp > b.timestamp ? -1 : b.sequence - a.sequence));
    expect(sequencesOf(found)).toEqual(newest.slice(0, 20).map(({ sequence }) => sequence));
    expect(queries).toBeLessThanOrEqual(kinds * LIMITS.typeShards + 20);
    expect(entries).toBeLessThanOrEqual(manyKinds.length + kinds);
  });

  it('looks into each list once for all pages of a snapshot, forwards, and anew backwards', async () => {
    await putEvents(manyKinds);
    let queries = 0;
    const client = listening(async (command) => {
      if (command instanceof QueryCommand) queries += 1;
    });
    await read(async (reads) => {
      const pages: StoredEvent[][] = [];
      for (let last: StoredEvent | undefined; ; last = pages.at(-1)?.at(-1)) {
        const after = last && { time: last.timestamp, ...last.position };
        const page = await reads.events({ order: 'asc', limit: 10, after });
        pages.push([...page]);
        if (page.length < 10) break;
      }
      expect(sequencesOf(pages.flat())).toHaveLength(manyKinds.length);
      expect(new Set(sequencesOf(pages.flat())).size).toBe(manyKinds.length);
      expect(queries).toBeLessThanOrEqual(kinds * LIMITS.typeShards + 21);
      const [third] = pages[2] ?? [];
      const again = await reads.events({ order: 'asc', limit: 1, after: pages[1]?.map(markOf).at(-1) });
      expect(sequencesOf(again)).toEqual(sequencesOf(third ? [third] : []));
      const back = await reads.events({ order: 'desc', limit: 30, after: pages[3]?.map(markOf)[0] });
      expect(sequencesOf(back)).toEqual(sequencesOf(pages.slice(0, 3).flat()).reverse());
      const early = await reads.events({ order: 'desc', limit: 30, after: pages[4]?.map(markOf)[0] });
      expect(sequencesOf(early)).toEqual(sequencesOf(pages.slice(1, 4).flat()).reverse());
    }, client);
  });

  it('reads one type and source in few queries, however long its list is', async () => {
    const events = Array.from({ length: 300 }, (_, place) =>
      anEvent({ anonymousId: `d${place % 40}`, timestamp: minute(place % 60) }),
    );
    await putEvents(events);
    let queries = 0;
    const client = listening(async () => {
      queries += 1;
    });
    const range: EventRange = { order: 'asc', limit: 250, eventType: 'page', source: 'shop' };
    expect(await read((reads) => reads.events(range), client)).toHaveLength(250);
    // A look and a step or two into each shard, and three gets of 100.
    expect(queries).toBeLessThanOrEqual(3 * LIMITS.typeShards + 3);
  });

  it('passes over entries of the index whose event is gone or lies elsewhere now, and still fills the page', async () => {
    const items = await putEvents(Array.from({ length: 30 }, (_, place) => anEvent({ timestamp: minute(place) })));
    const gone = new Set(items.slice(0, 15).map((item) => textOf(item, 'sk')));
    const moved = textOf(items[16] ?? {}, 'sk');
    const client = listening(
      async () => {},
      (command, answer) => {
        if (!(command instanceof BatchGetItemCommand)) return answer;
        const { Responses } = answer as { readonly Responses: Record<string, readonly Item[]> };
        const left = (Responses[tables().events] ?? []).filter((item) => !gone.has(textOf(item, 'sk')));
        const now = left.map((item) => (textOf(item, 'sk') === moved ? { ...item, typeOrder: text('other') } : item));
        return { ...answer, Responses: { [tables().events]: now } };
      },
    );
    const page = await read((reads) => reads.events({ order: 'asc', limit: 10 }), client);
    expect(sequencesOf(page)).toEqual([16, 18, 19, 20, 21, 22, 23, 24, 25, 26]);
  });

  it('gives an event once of which the index has its old entry still, beside the new one', async () => {
    await putEvents(Array.from({ length: 5 }, (_, place) => anEvent({ timestamp: minute(place + 1) })));
    const client = listening(
      async () => {},
      (command, answer) => {
        if (!(command instanceof QueryCommand) || command.input.IndexName === undefined) return answer;
        const { Items } = answer as { readonly Items: readonly Item[] };
        const order = text(typeOrderOf(minute(0), { lane: 'a', sequence: 0n, index: 0 }));
        const old = Items.map((item) => ({ ...item, typeOrder: order }));
        return { ...answer, Items: [...old.slice(0, 1), ...Items] };
      },
    );
    const page = await read((reads) => reads.events({ order: 'asc', limit: 10 }), client);
    expect(sequencesOf(page)).toEqual([1, 2, 3, 4, 5]);
  });

  it('takes bounds that hold nothing, and marks that nobody was given', async () => {
    await putEvents([anEvent({ timestamp: minute(1) }), anEvent({ timestamp: minute(2) })]);
    const of = (range: Partial<EventRange>) =>
      read((reads) => reads.events({ order: 'asc', limit: 9, ...range })).then(sequencesOf);
    expect(await of({ from: minute(2), to: minute(1) })).toEqual([]);
    expect(await of({ from: minute(2), to: minute(2) })).toEqual([]);
    expect(await of({ from: minute(1), to: minute(2) })).toEqual([1]);
    expect(await of({ from: '2026-11-23T10:01:00Z', to: '2026-11-23T10:02:00.0001Z' })).toEqual([1]);
    const mark = { time: minute(1), lane: 'a', sequence: 1n, index: 0 };
    expect(await of({ after: mark })).toEqual([2]);
    expect(await of({ after: { ...mark, time: minute(2), sequence: 2n }, order: 'desc' })).toEqual([1]);
    expect(await of({ after: { ...mark, lane: 'x'.repeat(2_000) } })).toEqual([]);
    expect(await of({ limit: 0 })).toEqual([]);
  });
});

describe('lists of very many types', () => {
  const typesMade = 2_000;
  /** Four events lie at each time, in one record or in several. */
  const manyTypes = Array.from({ length: typesMade }, (_, place) =>
    anEvent({
      timestamp: minute(Math.floor(place / 4) % 60),
      eventType: `type-${place}`,
      anonymousId: `d${place % 11}`,
    }),
  );

  it('cost no more queries than the types that have lists of their own, and one', async () => {
    await putEvents(manyTypes);
    let queries = 0;
    const client = listening(async (command) => {
      if (command instanceof QueryCommand) queries += 1;
    });
    const found = await read((reads) => reads.events({ order: 'desc', limit: 20 }), client);
    const newest = manyTypes
      .map(({ timestamp }, place) => ({ timestamp, sequence: place + 1 }))
      .sort((a, b) => (a.timestamp < b.timestamp ? 1 : a.timestamp > b.timestamp ? -1 : b.sequence - a.sequence));
    expect(sequencesOf(found)).toEqual(newest.slice(0, 20).map(({ sequence }) => sequence));
    // Kinds and erasures are two more.
    expect(queries).toBeLessThanOrEqual((LIMITS.typeListsMax + 1) * LIMITS.typeShards + 20 + 2);
  }, 30_000);

  it('give the events of one type, with a list or without, to lists by time and to those of a visitor', async () => {
    const own = (eventType: string) =>
      Array.from({ length: 7 }, (_, place) => anEvent({ timestamp: minute(50 + Math.floor(place / 3)), eventType }));
    const first = Array.from({ length: LIMITS.typeListsMax }, (_, place) => anEvent({ eventType: `type-${place}` }));
    const listed = own('type-1');
    const others = [own('other-1'), own('other-2')];
    const mixed = listed.flatMap((event, place) => [event, ...others.flatMap((events) => events[place] ?? [])]);
    await putEvents([...first, ...mixed]);
    const sequenceOf = new Map([...first, ...mixed].map(({ eventId }, place) => [eventId, place + 1]));
    const pages = async (range: Partial<EventRange>, of: 'events' | 'eventsOf') => {
      const found: StoredEvent[] = [];
      for (;;) {
        const last = found.at(-1);
        const after = last && { time: of === 'events' ? last.timestamp : last.createdAt, ...last.position };
        const asked: EventRange = { order: 'asc', limit: 2, ...range, ...(after && { after }) };
        const page = await read((reads) => (of === 'events' ? reads.events(asked) : reads.eventsOf('device-1', asked)));
        found.push(...page);
        if (page.length < 2) return sequencesOf(found);
      }
    };
    for (const events of others) {
      const expected = events.map(({ eventId }) => sequenceOf.get(eventId));
      const eventType = events[0]?.eventType;
      expect(await pages({ eventType }, 'events')).toEqual(expected);
      expect(await pages({ eventType, source: 'shop' }, 'events')).toEqual(expected);
      expect(await pages({ eventType, order: 'desc' }, 'events')).toEqual(expected.toReversed());
      expect(await pages({ eventType }, 'eventsOf')).toEqual(expected);
      expect(await pages({ eventType, source: 'blog' }, 'events')).toEqual([]);
    }
    expect(await pages({ eventType: 'type-1' }, 'events')).toHaveLength(8);
    expect(await pages({ eventType: 'never' }, 'events')).toEqual([]);
    expect(await pages({}, 'events')).toEqual([...first, ...mixed].map(({ eventId }) => sequenceOf.get(eventId)));
  }, 120_000);

  it('go on after a mark amid the events of one record, both ways', async () => {
    const kinds = new EventKinds(state());
    await kinds.list(
      Array.from({ length: LIMITS.typeListsMax }, (_, place) => anEvent({ eventType: `type-${place}` })),
    );
    const events = Array.from({ length: 9 }, (_, place) =>
      anEvent({ eventType: place % 3 === 0 ? 'type-1' : `other-${place % 2}` }),
    );
    await putAll(
      'events',
      events.map((event, index) => itemOf(event, { lane: 'a', sequence: 1n, index }, kinds.hasList(event))),
    );
    const indexes = (found: readonly StoredEvent[]) => found.map(({ position }) => position.index);
    for (const [index, event] of events.entries()) {
      const after = { time: event.timestamp, lane: 'a', sequence: 1n, index };
      const all = events.map((_, place) => place);
      const later = await read((reads) => reads.events({ order: 'asc', limit: 20, after }));
      expect(indexes(later)).toEqual(all.slice(index + 1));
      const earlier = await read((reads) => reads.events({ order: 'desc', limit: 20, after }));
      expect(indexes(earlier)).toEqual(all.slice(0, index).reverse());
    }
  });
});

describe('lists of a visitor', () => {
  it('orders what happened at one time by position, across pages and sources', async () => {
    const at = (createdAt: string, eventId: string, source = 'shop') => anEvent({ createdAt, eventId, source });
    const events = [
      at(minute(2), 'z'),
      at(minute(2), 'y', 'blog'),
      at(minute(2), 'x'),
      at(minute(2), 'w'),
      at(minute(1), 'v', 'blog'),
      at(minute(3), 'u'),
      at('2026-11-23T10:02:00Z', 't'),
    ];
    await putEvents([...events, anEvent({ anonymousId: 'other' })]);
    const pages = async (range: Partial<EventRange>) => {
      const found: StoredEvent[] = [];
      for (;;) {
        const last = found.at(-1);
        const after = last && { time: last.createdAt, ...last.position };
        const page = await read((reads) =>
          reads.eventsOf('device-1', { order: 'asc', limit: 2, ...range, ...(after && { after }) }),
        );
        found.push(...page);
        if (page.length < 2) return sequencesOf(found);
      }
    };
    expect(await pages({})).toEqual([5, 7, 1, 2, 3, 4, 6]);
    expect(await pages({ order: 'desc' })).toEqual([6, 4, 3, 2, 1, 7, 5]);
    expect(await pages({ source: 'blog' })).toEqual([5, 2]);
    expect(await pages({ from: minute(2), to: minute(3) })).toEqual([1, 2, 3, 4]);
  });

  it('reads on until a page of one type is full', async () => {
    const events = Array.from({ length: 60 }, (_, place) =>
      anEvent({ createdAt: minute(place), eventType: place % 20 === 19 ? 'rare' : 'page' }),
    );
    await putEvents(events);
    const range: EventRange = { order: 'asc', limit: 3, eventType: 'rare' };
    expect(sequencesOf(await read((reads) => reads.eventsOf('device-1', range)))).toEqual([20, 40, 60]);
  });
});

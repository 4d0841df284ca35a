import { QueryCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import { MemoryDynamo } from '../../../tests/simulation/memory-dynamo.ts';
import { LIMITS } from '../../core/limits.ts';
import { DynamoTable } from './dynamo-client.ts';
import { EventKinds, readKinds } from './event-kinds.ts';

const kindsOf = (count: number, source = 'shop') =>
  Array.from({ length: count }, (_, place) => ({ source, eventType: `type-${place}` }));

describe('types with lists of their own', () => {
  it('are the first ones of each source, as every writer and reader sees it', async () => {
    const state = new DynamoTable(new MemoryDynamo().client, 'state');
    const writer = new EventKinds(state);
    await writer.list(kindsOf(LIMITS.typeListsMax + 10));
    await writer.list(kindsOf(3, 'shop-2'));
    const later = new EventKinds(state);
    await later.list([{ source: 'shop', eventType: 'late' }, ...kindsOf(LIMITS.typeListsMax + 10)]);
    for (const kinds of [writer, later]) {
      const listed = kindsOf(LIMITS.typeListsMax + 10).filter((kind) => kinds.hasList(kind));
      expect(listed).toEqual(kindsOf(LIMITS.typeListsMax));
    }
    const read = await readKinds(state);
    expect([...read.keys()]).toEqual(['shop', 'shop-2']);
    expect([...(read.get('shop') ?? [])]).toEqual(kindsOf(LIMITS.typeListsMax).map(({ eventType }) => eventType));
    expect(read.get('shop-2')?.size).toBe(3);
  });

  it('are no more, and none twice, when writers come side by side, and answers are lost', async () => {
    const dynamo = new MemoryDynamo();
    let calls = 0;
    dynamo.faults = {
      ...dynamo.faults,
      turn: () => new Promise((resolve) => setImmediate(resolve)),
      isLost: () => {
        calls += 1;
        return calls % 7 === 0;
      },
    };
    const state = new DynamoTable(dynamo.client, 'state');
    const writers = Array.from({ length: 4 }, () => new EventKinds(state));
    const all = kindsOf(2 * LIMITS.typeListsMax);
    await Promise.all(
      writers.map(async (writer, place) => {
        const own = [...all.slice(place * 16), ...all.slice(0, place * 16)];
        // As a batch is sent again until it is through.
        while (
          !(await writer.list(own).then(
            () => true,
            () => false,
          ))
        );
      }),
    );
    const types = (await readKinds(state)).get('shop') ?? new Set();
    expect(types.size).toBe(LIMITS.typeListsMax);
    expect(dynamo.itemsOf('state')).toHaveLength(LIMITS.typeListsMax);
    for (const writer of writers) {
      expect(
        all
          .filter((kind) => writer.hasList(kind))
          .map(({ eventType }) => eventType)
          .sort(),
      ).toEqual([...types].sort());
    }
  });

  it('cost no call more once a source has no place left, whatever types come', async () => {
    const dynamo = new MemoryDynamo();
    let queries = 0;
    let calls = 0;
    const send = (command: unknown) => {
      calls += 1;
      if (command instanceof QueryCommand) queries += 1;
      return dynamo.client.send(command as never);
    };
    const kinds = new EventKinds(new DynamoTable({ send: send as never }, 'state'));
    await kinds.list(kindsOf(5_000));
    expect(queries).toBeLessThanOrEqual(LIMITS.typeListsMax);
    expect(calls).toBeLessThanOrEqual(2 * LIMITS.typeListsMax);
    await kinds.list(kindsOf(9_000));
    expect(calls).toBeLessThanOrEqual(2 * LIMITS.typeListsMax);
  });
});

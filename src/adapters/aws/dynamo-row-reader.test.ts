import { deflateRawSync } from 'node:zlib';
import { BatchGetItemCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import { aLane, dynamoToRead, type Sending } from '../../../tests/emulators/dynamo-to-read.ts';
import type { RowKey } from '../../store/event-store.ts';
import {
  type Item,
  journalPk,
  journalText,
  keyOf,
  number,
  REBUILD_PK,
  rowPk,
  rowSk,
  sequenceText,
  text,
} from './items.ts';
import { partKeys, putLarge } from './large-values.ts';

const { read, listening, putAll, state } = dynamoToRead();

function aRow(key: Partial<RowKey>, value: string, sequence: bigint): Item {
  const row = { view: 'types', version: 1, source: 'shop', bucket: 'minute/1', lane: 'a', ...key };
  const item = { pk: text(rowPk(row)), sk: text(rowSk(row)), sequence: text(sequenceText(sequence)) };
  return { ...item, value: { B: deflateRawSync(value) } };
}

const aSource = (source: string, version = 1): Item => ({
  pk: text(keyOf('sources', 'types', version)),
  sk: text(source),
});

const nameOf = (sequence: bigint) => keyOf(sequenceText(sequence), 'try');

function aJournal(sequence: bigint, rows: readonly Partial<RowKey>[], deltas: readonly string[]): Item {
  const all = deltas.map((_, place) => place);
  const named = rows.map((row) => ({
    ...{ view: 'types', version: 1, source: 'shop', bucket: 'minute/1' },
    ...row,
    deltas: all,
  }));
  const value = deflateRawSync(journalText({ sequence, deltas, rows: named }));
  return { pk: text(journalPk('a')), sk: text(nameOf(sequence)), value: { B: value } };
}

const minutes = { view: 'types', from: 'minute/', to: 'minute0' };
const rowsOf = async (client?: Sending) => {
  const rows = await read((reads) => reads.rows(minutes), client);
  return rows.map(({ key, text: value }) => `${key.source} ${key.bucket} ${key.lane} ${value}`).sort();
};

describe('rows', () => {
  it('are those that are stored, and what the journals add to them and nothing that they hold already', async () => {
    const journal = [5n, 6n].map(nameOf);
    await putAll('state', [
      aLane('a', { journal }),
      aLane('b'),
      aSource('shop'),
      aSource('blog'),
      aRow({}, 'one', 5n),
      aRow({ lane: 'b' }, 'of b', 99n),
      aRow({ bucket: 'hour/1' }, 'other unit', 5n),
      aRow({ source: 'blog', bucket: 'minute/2', lane: `a@6.0` }, 'kept apart', 6n),
      aJournal(5n, [{}, { bucket: 'minute/2' }], ['five']),
      aJournal(
        6n,
        [{}, { source: 'blog', bucket: 'minute/2' }, { version: 2 }, { bucket: 'minute0' }],
        ['six', 'more'],
      ),
      aJournal(7n, [{}], ['of a try that failed']),
    ]);
    expect(await rowsOf()).toEqual([
      'blog minute/2 a more',
      'blog minute/2 a@6.0 kept apart',
      'shop minute/1 a more',
      'shop minute/1 a one',
      'shop minute/1 a six',
      'shop minute/1 b of b',
      'shop minute/2 a five',
    ]);
    expect(await read((reads) => reads.sources('types'))).toEqual(['blog', 'shop']);
    const ofBlog = await read((reads) => reads.rows({ ...minutes, source: 'blog' }));
    expect(ofBlog).toHaveLength(2);
    expect(await read((reads) => reads.rows({ ...minutes, from: 'minute0', to: 'minute/' }))).toEqual([]);
  });

  it('are whole when a journal is folded between the reads', async () => {
    await putAll('state', [
      aLane('a', { journal: [nameOf(5n)] }),
      aSource('shop'),
      aRow({}, 'before', 4n),
      aJournal(5n, [{}], ['five']),
    ]);
    let isFolded = false;
    const client = listening(async (command) => {
      if (isFolded || !(command instanceof BatchGetItemCommand)) return;
      isFolded = true;
      await putAll('state', [aRow({}, 'before and five', 5n), aLane('a')]);
      await state().deleteAll([{ pk: journalPk('a'), sk: nameOf(5n) }]);
    });
    expect(await rowsOf(client)).toEqual(['shop minute/1 a before and five']);
  });

  it('are refused when an item of a journal is lost', async () => {
    await putAll('state', [aLane('a', { journal: [nameOf(5n)] }), aSource('shop')]);
    await expect(rowsOf()).rejects.toThrow('journal of lane a');
  });

  it('may be longer than an item, and written anew while they are read', async () => {
    await putAll('state', [aLane('a'), aSource('shop')]);
    const key = {
      pk: rowPk({ view: 'types', version: 1, source: 'shop' }),
      sk: rowSk({ bucket: 'minute/1', lane: 'a' }),
    };
    const putRow = async (value: string, sequence: bigint) => {
      const held = await putLarge(state(), key, deflateRawSync(value, { level: 0 }), sequenceText(sequence));
      const item = { pk: text(key.pk), sk: text(key.sk), sequence: text(sequenceText(sequence)), ...held };
      await putAll('state', [item]);
      return item;
    };
    const first = await putRow('x'.repeat(900_000), 1n);
    expect(partKeys(first)).toHaveLength(3);
    expect(await rowsOf()).toEqual([`shop minute/1 a ${'x'.repeat(900_000)}`]);
    let isAnew = false;
    const client = listening(async (command) => {
      if (isAnew || !(command instanceof BatchGetItemCommand)) return;
      isAnew = true;
      await putRow('y'.repeat(800_000), 2n);
      await state().deleteAll(partKeys(first));
    });
    expect(await rowsOf(client)).toEqual([`shop minute/1 a ${'y'.repeat(800_000)}`]);
    const now = await state().get(key);
    await state().deleteAll(partKeys(now ?? {}).slice(1, 2));
    await expect(rowsOf()).rejects.toThrow('is missing');
  });

  const lane = (version: number | undefined, cuts: Readonly<Record<string, bigint>> = {}) => ({
    done: 9n,
    registry: version === undefined ? {} : { types: version },
    cuts,
  });
  it.each([
    ['one that all fold', [lane(1), lane(1)], [], 'v1'],
    ['the one before, while some lanes fold the new one from a cut', [lane(2, { 'types@2': 4n }), lane(1)], [], 'v1'],
    ['the one before, while all fold the new one from a cut', [lane(2, { 'types@2': 4n })], [], 'v1'],
    ['the one before, while a new lane folds the new one and an old one does not yet', [lane(2), lane(1)], [], 'v1'],
    ['the new one, when it is rebuilt', [lane(2, { 'types@2': 4n }), lane(2)], [2], 'v2'],
    ['the rebuilt one, while the next is not', [lane(3, { 'types@2': 4n, 'types@3': 5n })], [2], 'v2'],
    ['the newest one that all fold', [lane(3), lane(3)], [2], 'v3'],
    ['none, when a view is new', [lane(1, { 'types@1': 4n })], [], undefined],
    ['none, when no lane has the view', [lane(undefined)], [], undefined],
  ] as const)('are of the version that is ready: %s', async (_, states, rebuilt, expected) => {
    await putAll('state', [
      ...states.map((of, place) => aLane(`lane-${place}`, { state: of })),
      ...[1, 2, 3].flatMap((version) => [aSource('shop', version), aRow({ version }, `v${version}`, 1n)]),
      ...[1, 2, 3].map((version) => ({
        pk: text(REBUILD_PK),
        sk: text(keyOf('types', version)),
        finished: number((rebuilt as readonly number[]).includes(version) ? 1 : 0),
      })),
    ]);
    const rows = await read((reads) => reads.rows(minutes));
    expect(rows.map(({ text: value }) => value)).toEqual(expected === undefined ? [] : [expected]);
  });
});

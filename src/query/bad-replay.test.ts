import { expect, test } from 'vitest';
import { MemoryEventStore } from '../../tests/contracts/memory-event-store.ts';
import { decisionOf } from '../../tests/contracts/store-writing.ts';
import { createBadReplay, readBadPiece } from './bad-replay.ts';
import { positionId } from './cursor.ts';

const LANE = 'lane-0';
const EVERY = { kind: 'of', filter: {}, limit: 9 } as const;

/** Three events set aside, of which the middle one's bytes are erased right before, or right after, its line is decided. */
async function replayOf(erased: 'before' | 'after') {
  const store = new MemoryEventStore();
  const places = [0, 1, 2].map((index) => ({ lane: LANE, sequence: 1n, index }));
  const receivedAt = '2026-11-23T10:00:00.000Z';
  const bad = places.map((position) => ({
    ...{ position, source: 'shop', receivedAt, code: 'schema_invalid', detail: 'no price', payload: '{}' },
  }));
  await store.apply({ ...(await decisionOf(store, LANE, [{ sequence: 1n, events: [] }])), bad });
  const erase = () =>
    store.eraseBytes(
      { lane: LANE, sequence: 2n, source: 'shop', visitor: 'a', until: receivedAt },
      {
        bad: places.slice(1, 2),
        dead: [],
      },
    );
  const appended: string[] = [];
  const replay = createBadReplay({
    find: (asked) => readBadPiece(store, asked),
    lineOf: ({ position: { index } }) => ({ visitor: 'a', line: `line ${index}` }),
    append: async (lines) => {
      appended.push(...lines.map(({ line }) => line));
      return lines.map((_, place) => ({ lane: LANE, sequence: BigInt(10 + place) }));
    },
    claim: async (claims) => {
      if (erased === 'after') await store.claimReplays(claims);
      await erase();
      return store.claimReplays(claims);
    },
    note: (notes) => store.noteReplays(notes),
    clock: () => Date.parse(receivedAt),
  });
  return { replay, appended, ids: places.map(positionId) };
}

test.each(['before', 'after'] as const)(
  'an event whose bytes are erased right %s its line is decided is refused, alone and among others',
  async (erased) => {
    const refused = { code: 'not_an_object', detail: 'its bytes were erased' };
    const alone = await replayOf(erased);
    const id = alone.ids[1] ?? '';
    for (const edit of [undefined, undefined, { eventType: 'Paid' }]) {
      await expect(alone.replay.one(id, edit)).rejects.toMatchObject({
        code: 'still_bad',
        message: expect.stringContaining(refused.detail),
      });
    }
    expect(alone.appended).toEqual([]);
    const among = await replayOf(erased);
    expect(await among.replay.some(EVERY, { isDry: false })).toEqual({
      ...{ found: 3, replayed: 2, refused: [{ id, ...refused }], stopped: null, cursor: null },
    });
    expect(among.appended).toEqual(['line 0', 'line 2']);
  },
);

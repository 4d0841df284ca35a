import { describe, expect, test } from 'vitest';
import type { BadReason } from './answers.ts';
import {
  addPiece,
  kindsOf,
  NOTHING_REPLAYED,
  replayAllCommand,
  replayedWords,
  replayOneCommand,
  replaySumWords,
} from './bad-kinds.ts';

const server = { origin: 'http://127.0.0.1:8080', hasToken: false };

function reason(of: Partial<BadReason>): BadReason {
  const times = { first: '2026-11-26T10:00:00.000Z', last: '2026-11-26T11:00:00.000Z' };
  return {
    source: 'shop',
    code: 'schema_invalid',
    eventType: 'Paid',
    detail: 'd',
    count: 1,
    waiting: 1,
    ...times,
    ...of,
  };
}

test('reasons of one source, code and type are one kind, with their sums and times', () => {
  const kinds = kindsOf([
    reason({ count: 5, waiting: 0, detail: 'a' }),
    reason({ count: 4, source: 'app' }),
    reason({ count: 3, waiting: 2, detail: 'b', first: '2026-11-25T10:00:00.000Z' }),
    reason({ count: 9, eventType: null }),
  ]);
  expect(
    kinds.map(({ source, eventType, count, waiting, reasons }) => [source, eventType, count, waiting, reasons.length]),
  ).toEqual([
    ['shop', null, 9, 1, 1],
    ['shop', 'Paid', 8, 2, 2],
    ['app', 'Paid', 4, 1, 1],
  ]);
  expect(kinds[1]).toMatchObject({ first: '2026-11-25T10:00:00.000Z', last: '2026-11-26T11:00:00.000Z' });
});

describe('the line for a terminal', () => {
  test('narrows by what the list is narrowed by, as words of a shell', () => {
    const some = { code: 'schema_invalid', type: `It's $(date)`, source: 'shop' };
    expect(replayAllCommand(some, server)).toBe(
      `clickstream bad replay --all --code schema_invalid --type 'It'\\''s $(date)' --source shop --url http://127.0.0.1:8080`,
    );
    expect(replayAllCommand({ ...some, type: undefined, source: undefined }, { ...server, hasToken: true })).toBe(
      'clickstream bad replay --all --code schema_invalid --url http://127.0.0.1:8080 --token "$TOKEN"',
    );
  });
  test('is none for a type that could steer the terminal', () => {
    expect(replayAllCommand({ code: 'c', type: 'a\u202eb', source: 's' }, server)).toBeUndefined();
    expect(replayAllCommand({ code: 'c', type: 'a\u001b[2J', source: 's' }, server)).toBeUndefined();
  });
  test('of one that is no valid event as it came, has it mended first', () => {
    expect(replayOneCommand({ id: 'abc', code: 'schema_invalid' }, server)).toBe(
      'clickstream bad replay abc --url http://127.0.0.1:8080',
    );
    expect(replayOneCommand({ id: 'abc', code: 'type_invalid' }, server)).toMatch(
      /^clickstream bad show abc .* > event\.json\nclickstream bad replay abc --edit event\.json/,
    );
  });
});

describe('what became of it', () => {
  const replayed = {
    id: 'x',
    at: '2026-11-26T10:00:00.000Z',
    edit: null,
    position: { lane: 'local', sequence: '7' },
    appended: true,
  };
  test('once, and what was put back before', () => {
    expect(replayedWords(replayed)).toMatch(/^Put back as it came, to local\/7\./);
    expect(replayedWords({ ...replayed, appended: false, edit: 'ab' })).toMatch(
      /^It was put back already, edited, on .*nothing was added\.$/,
    );
  });

  test('of all pieces together', () => {
    const refused = Array.from({ length: 30 }, (_, place) => ({ id: String(place), code: 'type_invalid', detail: '' }));
    const pieces = [500, 7].map((replayed) => ({ replayed, refused, stopped: null }));
    const sum = pieces.reduce(addPiece, NOTHING_REPLAYED);
    expect([sum.replayed, sum.refused, sum.refusals.length]).toEqual([507, 60, 20]);
    expect(replaySumWords(sum, { isDry: true })).toMatch(
      /^507 events would be put back\. 60 events would be refused, and stay as they are/,
    );
    expect(replaySumWords({ ...sum, refused: 1, stopped: 'the log is full.' }, { isDry: false })).toMatch(
      /^507 events put back\. 1 event was refused, and stays as it is.* It ended early: the log is full\./,
    );
    expect(replaySumWords(NOTHING_REPLAYED, { isDry: false })).toMatch(/^None waits/);
  });

  test('of a piece that ended early, the refused ones are counted once', () => {
    const refused = [{ id: 'a', code: 'type_invalid', detail: '' }];
    const stopped = { code: 'overloaded', detail: 'too much.' };
    const early = addPiece(NOTHING_REPLAYED, { replayed: 3, refused, stopped });
    expect(addPiece(early, { replayed: 2, refused, stopped: null })).toMatchObject({ replayed: 5, refused: 1 });
    expect(addPiece(early, { replayed: 0, refused, stopped })).toMatchObject({ replayed: 3, refused: 1 });
  });
});

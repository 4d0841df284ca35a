import { expect, test } from 'vitest';
import { meaningsIn } from './error-words.ts';
import { escapedJson, indentedJson, readJson } from './sent-json.ts';

test('what steers reading is written as an escape, and means the same', async () => {
  const value = { '\u202egpj.exe': 'a\u2066b\u0007', plain: 'é 漢 😀', half: '\ud83d' };
  const escaped = escapedJson(JSON.stringify(value, null, 2));
  expect(escaped).toContain('\\u202egpj.exe');
  for (const steering of ['\u202e', '\u2066', '\u0007']) expect(escaped).not.toContain(steering);
  expect(escaped).toContain('é 漢 😀');
  expect(escaped.split('\n')).toHaveLength(5);
  expect(await readJson(escaped)).toEqual({ value });
});

test.each(['\n', '\r\n', '\t'])('what sets JSON out stays: %j', (space) => {
  const text = `{${space}"a": 1${space}}`;
  expect(escapedJson(text)).toBe(text);
});

test('what is no JSON says why', async () => {
  expect(await readJson('{"a":1')).toEqual({ fault: expect.stringMatching(/JSON/) });
});

test('JSON is indented only where that changes nothing of it', async () => {
  expect(await indentedJson('{"a":[1]}')).toBe('{\n  "a": [\n    1\n  ]\n}');
  for (const text of [
    '{"a":1e400}',
    '{"a":1,"a":2}',
    '{"a":12345678901234567890}',
    '{"a": 1}',
    '{"a":',
    '[1]',
    'text',
    '{"a":-0}',
  ])
    expect(await indentedJson(text)).toBe(text);
});

test('errors have the words of the server', () => {
  const document = { 'x-errors': { overloaded: { status: 503, meaning: 'Too much.', cure: 'Wait.' }, odd: 7 } };
  expect([...meaningsIn(document)]).toEqual([['overloaded', { meaning: 'Too much.', cure: 'Wait.' }]]);
  expect(meaningsIn(undefined).size).toBe(0);
});

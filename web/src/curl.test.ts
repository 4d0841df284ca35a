/// <reference types="node" />
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { curlOf } from './curl.ts';

const SENDING = { origin: 'http://127.0.0.1:8080', hasToken: false };

/** The words that a shell makes of the line. */
function wordsOf(line: string): readonly string[] {
  const script = `curl() { for word in "$@"; do printf '%s\\0' "$word"; done; }; WRITE_KEY=k; ${line}`;
  return execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1);
}

test('a line of curl, which asks for the key where there are keys', () => {
  expect(curlOf('/v1/track', { event: 'a' }, SENDING)).toBe(
    `curl http://127.0.0.1:8080/v1/track -H 'Content-Type: application/json' -d '{"event":"a"}'`,
  );
  expect(wordsOf(curlOf('/v1/track', {}, { ...SENDING, hasToken: true }))).toContain('k:');
});

test.each([
  `it's '' "quoted"`,
  '$(date) `date` $HOME \\ !! %s',
  `';rm -rf /;'`,
  '\u001b[2J \u0000 \u007f \u009b \u202e \ud800',
  '\n\r\t',
])('%j comes out of a shell as it went in', (text) => {
  const body = { batch: [{ properties: { [text]: text } }] };
  const line = curlOf('/v1/batch', body, SENDING);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be in the line
  expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
  const words = wordsOf(line);
  expect(words.slice(0, 4)).toEqual(['http://127.0.0.1:8080/v1/batch', '-H', 'Content-Type: application/json', '-d']);
  expect(words).toHaveLength(5);
  expect(JSON.parse(words[4] ?? '')).toEqual(body);
});

import { afterEach, expect, test, vi } from 'vitest';
import { ask, giveToken, hasToken, onTokenNeed, type TokenNeed } from './api.ts';

afterEach(() => vi.unstubAllGlobals());

const answering = (status: number, text: string) => vi.stubGlobal('fetch', async () => new Response(text, { status }));

test('a refusal has the words of the program', async () => {
  answering(400, '{"code":"parameter_invalid","detail":"no.","cure":"Do."}');
  await expect(ask('/')).rejects.toMatchObject({ message: 'no.', status: 400, code: 'parameter_invalid', cure: 'Do.' });
});

test('what answers and is not the program is told by its status', async () => {
  answering(503, '<html>Service Unavailable</html>');
  const message = 'What answered was not the program (HTTP 503).';
  await expect(ask('/')).rejects.toMatchObject({ message, status: 503 });
});

test('nobody who answers is told as such, also amid an answer', async () => {
  const none = { message: 'The server does not answer.', status: 0 };
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
  await expect(ask('/')).rejects.toMatchObject(none);
  const broken = new ReadableStream({ start: (it) => it.error(new TypeError('network error')) });
  vi.stubGlobal('fetch', async () => new Response(broken));
  await expect(ask('/')).rejects.toMatchObject(none);
});

test('a token that no header takes is asked for again, and not kept', () => {
  const needs: TokenNeed[] = [];
  const unlisten = onTokenNeed((need) => needs.push(need));
  for (const wrong of ['abc\u200b', '\u201cabc\u201d', 'a b', '']) {
    giveToken(wrong);
    expect(hasToken()).toBe(false);
  }
  giveToken('abc');
  unlisten();
  expect(needs).toEqual(['wrong', 'wrong', 'wrong', 'wrong', 'none']);
  expect(hasToken()).toBe(true);
});

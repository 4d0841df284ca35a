import { ERRORS } from '../../src/core/errors.ts';
import type { Shell } from './shell.ts';

/** What a command needs to ask at all. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  load: ['--for', '1s'],
  tail: ['--limit', '1'],
  'bad show': ['any'],
  receipt: ['any'],
  'bad replay': ['any'],
  'redrive show': ['any'],
  'redrive put': ['any'],
  replay: ['package.json'],
  erase: ['any', '--yes'],
  export: ['any'],
};
const NOBODY = 'http://127.0.0.1:1';
/** A name that is never anybody's (RFC 6761). */
const NOWHERE = 'http://clickstream.invalid';

/** Without a token, with a wrong one, at a path where nothing is, and where nobody answers. */
export async function refusals(shell: Shell): Promise<string> {
  const unreachable = (at: string) => ({
    code: 3,
    errors: new RegExp(
      `^server_unreachable: ${at} did not answer: .+\n {2}${escaped(ERRORS.server_unreachable.cure)}\n$`,
    ),
  });
  const fault = (name: 'read_token_missing' | 'read_token_wrong') => ({
    code: 2,
    errors: new RegExp(`^${name}: ${escaped(ERRORS[name].meaning)}\n {2}${escaped(ERRORS[name].cure)}\n$`),
  });
  for (const path of shell.commands) {
    const words = [...path.split(' '), ...(WORDS[path] ?? [])];
    await Promise.all([
      shell.refused(words, { ...fault('read_token_missing'), environment: { CLICKSTREAM_TOKEN: '' } }),
      shell.refused([...words, '--url', NOBODY], unreachable(NOBODY)),
    ]);
  }
  const elsewhere = `${shell.home.url}/elsewhere`;
  for (const words of [['stats'], ['redrive', 'put', 'any']]) {
    await shell.refused([...words, '--token', 'wrong'], fault('read_token_wrong'));
    await shell.refused([...words, '--url', elsewhere], {
      code: 2,
      errors: new RegExp(
        `^not_found: nothing is served at /elsewhere/api/v1/.+\n {2}${escaped(ERRORS.not_found.cure)}\n$`,
      ),
    });
  }
  await shell.refused(['stats', '--url', NOWHERE], unreachable(NOWHERE));
  await shell.refused(['stats', '--url', 'nowhere'], { code: 2, errors: /^error: option '--url <url>'.*\n.*--help/ });
  return '401 and no server told alike by each, 404 and no name by some';
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { afterAll, describe, expect, test } from 'vitest';
import { completionScript } from './completion.ts';
import { createProgram } from './program.ts';

const folder = mkdtempSync(join(tmpdir(), 'clickstream-completion-'));
afterAll(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, 'a folder'));
writeFileSync(join(folder, 'a file.json'), '{}');

const program = createProgram();
for (const shell of ['bash', 'zsh', 'fish'] as const) {
  writeFileSync(join(folder, shell), completionScript(program, shell));
}

const isThere = (shell: string) => spawnSync(shell, ['-c', 'exit']).error === undefined;

/** What a real shell offers for the words typed, the last of which is being completed. */
type Completing = (...words: readonly string[]) => readonly string[];

const inBash: Completing = (...words) => {
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const typed = `source ./bash; COMP_WORDS=(clickstream ${quoted}); COMP_CWORD=${words.length}; _clickstream`;
  return linesOf('bash', ['--norc', '-c', `${typed}; printf '%s\\n' "\${COMPREPLY[@]}"`]);
};

const inFish: Completing = (...words) => {
  const lines = linesOf('fish', ['--no-config', '-c', `source ./fish; complete -C 'clickstream ${words.join(' ')}'`]);
  return lines.map((line) => line.split('\t', 1)[0] ?? '');
};

function linesOf(shell: string, words: readonly string[]): readonly string[] {
  return execFileSync(shell, words, { cwd: folder, encoding: 'utf8' }).split('\n').filter(Boolean);
}

const MEASURES = ['events', 'pageviews', 'visitors'];

describe.each<[string, Completing]>([
  ['bash', inBash],
  ['fish', inFish],
])('in %s', (shell, completing) => {
  const offers = test.skipIf(!isThere(shell));

  offers('commands, and those within commands', () => {
    expect(completing('')).toEqual(expect.arrayContaining(['serve', 'stats', 'bad', 'config']));
    expect(completing('st')).toEqual(['stats']);
    expect(completing('config', '')).toEqual(expect.arrayContaining(['init', 'show', 'check']));
    expect(completing('config', '')).not.toContain('serve');
    expect(completing('redrive', '')).toEqual(expect.arrayContaining(['list', 'show', 'put']));
    expect(completing('redrive', 'put', '--a')).toEqual(['--all']);
    expect(completing('replay', '--d')).toEqual(['--dry-run']);
  });

  offers('options, of the command that stands there', () => {
    expect(completing('tail', '--so')).toEqual(['--source']);
    expect(completing('config', 'show', '--po')).toEqual(['--port']);
    expect(completing('bad', 'show', '--')).not.toContain('--limit');
    expect(completing('serve', '--')).toEqual(expect.arrayContaining(['--port', '--config', '--help']));
  });

  offers('values, where there are some to choose from', () => {
    expect(completing('stats', '')).toEqual(expect.arrayContaining(MEASURES));
    expect(completing('stats', 'pageviews', '--by', 'pag')).toContain('page');
    expect(completing('stats', '--bots', '').toSorted()).toEqual(['exclude', 'include', 'only']);
    expect(completing('stats', '--from', '')).toEqual([]);
    expect(
      completing('completion', '')
        .filter((word) => !word.startsWith('-'))
        .toSorted(),
    ).toEqual([...['bash', 'fish', 'zsh']]);
  });

  offers('the names of files and folders', () => {
    const without = (words: readonly string[]) => words.map((word) => word.replace(/\/$/, '').replaceAll('\\', ''));
    expect(without(completing('serve', '--config', 'a'))).toContain('a file.json');
    expect(without(completing('serve', '--data', 'a'))).toContain('a folder');
    expect(without(completing('config', 'check', 'a'))).toContain('a file.json');
  });

  offers('what a value says is no command', () => {
    expect(completing('bad', '--code', 'show', '--lim')).toEqual(['--limit']);
    expect(completing('load', '--run', 'stats', '--che')).toEqual(['--check-only']);
  });
});

test.skipIf(!isThere('bash'))('in bash, after an equals sign', () => {
  expect(inBash('stats', '--bots', '=')).toEqual(['exclude', 'include', 'only']);
  expect(inBash('stats', '--bots', '=', 'on')).toEqual(['only']);
  expect(inBash('stats', '--bots', '=', 'only', '--zo')).toEqual(['--zone']);
});

test.skipIf(!isThere('zsh')).each([
  ['clickstream sta', 'clickstream stats '],
  ['clickstream stats --bots onl', 'clickstream stats --bots only '],
  ['clickstream config sh', 'clickstream config show '],
])('in zsh, a tab after "%s" makes it "%s"', (typed, completed) => {
  // A terminal of zsh's own, for it completes for nobody else. Each read waits until the text has come.
  const script = `
    zmodload zsh/zpty
    zpty shell 'TERM=dumb PS1= zsh --no-rcs --interactive'
    zpty -w shell 'source ./zsh; print is""ready'
    zpty -r shell before '*isready*'
    zpty -w -n shell $'${typed}\\t'
    zpty -r shell after '*${completed}*'
    print -r -- $after
  `;
  const shown = execFileSync('zsh', ['-fc', script], { cwd: folder, encoding: 'utf8', timeout: 20_000 });
  expect(shown).toContain(completed);
});

test('of any program, with what would be special to a shell in it', () => {
  const option = new Option('--of <kind>', "a kind of 'thing' \\ $HOME `x`").choices(['one', 'two']);
  const other = new Command('tool').addCommand(new Command('run').addOption(option));
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const script = completionScript(other, shell);
    expect(script).toContain('two');
    if (!isThere(shell)) continue;
    const file = join(folder, `other.${shell}`);
    writeFileSync(file, script);
    expect(spawnSync(shell, ['-n', file], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  }
});

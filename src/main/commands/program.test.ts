import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { clickstream } from '../../../tests/end-to-end/command.ts';
import { createProgram } from './program.ts';

interface Named {
  readonly name: string;
  readonly command: Command;
}

function tree(command: Command, name: string): readonly Named[] {
  return [{ name, command }, ...command.commands.flatMap((inner) => tree(inner, `${name} ${inner.name()}`))];
}

const everyCommand = tree(createProgram(), 'clickstream');

function helpOf(command: Command): string {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) });
  command.outputHelp();
  return help;
}

describe.each(everyCommand)('$name', ({ name, command }) => {
  const isGroup = command.commands.length > 0 && name !== 'clickstream bad';

  test('has help with examples and exit codes, in lines that a terminal shows whole', () => {
    const help = helpOf(command);
    expect(help).toContain(`$ ${name}`);
    expect(help).toMatch(/Exit codes: 0 .*; 1 .*; 2 /s);
    expect(Math.max(...help.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  test.skipIf(isGroup)('prints JSON when asked to', () => expect(helpOf(command)).toContain('--json'));

  test('is in docs/commands.md, with each of its options', () => {
    const document = readFileSync('docs/commands.md', 'utf8');
    expect(document).toContain(`## \`${name}`);
    for (const { long } of command.options) expect(document).toContain(`\`${long}`);
  });
});

describe('the command line', () => {
  test('without a command prints what there is', async () => {
    const { code, output, errors } = await clickstream([]);
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    for (const { command } of everyCommand.slice(1)) {
      if (command.parent?.name() === 'clickstream') expect(output).toContain(`  ${command.name()} `);
    }
  });

  test.each([
    [['stast'], /Did you mean stats\?/],
    [['stats', '--form', '7d'], /Did you mean --from\?/],
    [['config', 'int'], /Did you mean init\?/],
    [['stats', '--bots', 'yes'], /Allowed choices are exclude, include, only/],
    [['serve', '--config', 'no-such-file.json'], /config_invalid: the file no-such-file.json cannot be read/],
  ])('names what is wrong with %j, and ends with 2', async (words, message) => {
    const { code, output, errors } = await clickstream(words);
    expect({ code, output }).toEqual({ code: 2, output: '' });
    expect(errors).toMatch(message);
  });
});

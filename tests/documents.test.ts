import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { ERRORS } from '../src/core/errors.ts';
import { assertLimits, LIMITS } from '../src/core/limits.ts';
import { VERSION } from '../src/core/version.ts';

test('docs/errors.md says of every error what the table says, and of no other', () => {
  const rows = readFileSync('docs/errors.md', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, -1),
    );
  const table = Object.entries(ERRORS).map(([code, { status, retriable, meaning, cure }]) => [
    `\`${code}\``,
    String(status),
    retriable ? 'yes' : 'no',
    meaning,
    cure,
  ]);
  expect(rows).toEqual(table);
});

test('the limits agree with each other, and a contradiction is seen', () => {
  expect(() => assertLimits()).not.toThrow();
  expect(() => assertLimits({ ...LIMITS, eventBytesMax: LIMITS.bodyBytesMax })).toThrow(/eventBytesMax < bodyBytesMax/);
});

test('the program says the version of its package', () => {
  expect(JSON.parse(readFileSync('package.json', 'utf8'))).toMatchObject({ version: VERSION });
});

test('every link between documents leads to a file', () => {
  const documents = execFileSync('git', ['ls-files', '*.md', '--cached', '--others', '--exclude-standard'], {
    encoding: 'utf8',
  })
    .trim()
    .split('\n');
  const broken: string[] = [];
  for (const document of documents.filter((file) => existsSync(file))) {
    for (const [, target = ''] of readFileSync(document, 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
      if (!existsSync(join(dirname(document), target))) broken.push(`${document}: ${target}`);
    }
  }
  expect(documents.length).toBeGreaterThan(5);
  expect(broken).toEqual([]);
});

/** What stands for AWS says by which page of AWS. */
test('every behaviour of an emulator that tests rely on has its page of AWS', () => {
  const document = readFileSync('docs/emulator.md', 'utf8');
  const [, table = ''] = /\| behaviour \|[^\n]*\n\|[- |]+\|\n((?:\|.*\n)+)/.exec(document) ?? [];
  const rows = table.trim().split('\n');
  expect(rows.length).toBeGreaterThan(15);
  for (const row of rows) expect(row).toMatch(/\]\(https:\/\/docs\.aws\.amazon\.com\/[^)\s]+\)/);
  const models = [...document.matchAll(/\]\(\.\.\/(tests\/[^)]+\.ts)\)/g)].map(([, file = '']) => file);
  expect(models.length).toBe(6);
  for (const model of models) {
    const pages = readFileSync(model, 'utf8').match(/https:\/\/docs\.aws\.amazon\.com\/|\[(?:API|guide)\] \w+/g) ?? [];
    expect(pages.length, model).toBeGreaterThanOrEqual(2);
  }
});

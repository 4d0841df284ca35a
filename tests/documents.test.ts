import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { ERRORS } from '../src/core/errors.ts';
import { assertLimits, LIMITS } from '../src/core/limits.ts';

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

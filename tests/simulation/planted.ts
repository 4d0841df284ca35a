import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

/** A line of the source, and what stands in its place in a copy (docs/decisions/0007-planted-faults.md). */
export interface Plant {
  readonly fault: string;
  readonly file: string;
  readonly line: string;
  readonly planted: string;
}

const COPIED = [
  'src',
  'tests',
  'bench',
  'infra/bundle.ts',
  'infra/environment-credentials.ts',
  'web/build.ts',
  'web/src',
  'tracker/build.ts',
  'tracker/src',
  'package.json',
];

/** A copy of source, tests and what measures them within `root`, in a folder of that name. */
export function copyTo(root: string, name: string): string {
  const folder = join(root, name.replaceAll(/\W+/g, '-'));
  for (const part of COPIED) cpSync(part, join(folder, part), { recursive: true });
  return folder;
}

/** A copy with the fault in it. Fails when the line does not stand once in its file. */
export function plantIn(root: string, { fault, file, line, planted }: Plant): string {
  const folder = copyTo(root, fault);
  const source = readFileSync(join(folder, file), 'utf8');
  expect(source.split(line).length, `the line to plant ${fault} in must stand once in ${file}`).toBe(2);
  writeFileSync(
    join(folder, file),
    source.replace(line, () => planted),
  );
  return folder;
}

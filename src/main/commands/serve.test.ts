import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readConfig } from '../config.ts';
import { welcome } from './serve.ts';

const sha256 = '0'.repeat(64);

test('the welcome of a server without keys shows commands that work as they are', () => {
  const text = welcome('http://127.0.0.1:8080', readConfig({}));
  expect(text).toContain('curl http://127.0.0.1:8080/v1/track -d');
  expect(text).toContain('curl http://127.0.0.1:8080/api/v1/users/ada/events');
});

test('the welcome of a server with keys shows where they go', () => {
  const config = {
    ...readConfig({}),
    sources: [{ name: 'shop', writeKeys: [sha256], domains: [] }],
    readTokens: [sha256],
  };
  const text = welcome('http://127.0.0.1:8080', config);
  expect(text).toContain('curl -u WRITE_KEY: http://127.0.0.1:8080/v1/track -d');
  expect(text).toContain("curl -H 'Authorization: Bearer READ_TOKEN' http://127.0.0.1:8080/api/v1/users/ada/events");
});

test('--version prints the version of the package', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string };
  expect(execFileSync(process.execPath, ['src/main/cli.ts', '--version'], { encoding: 'utf8' })).toBe(`${version}\n`);
});

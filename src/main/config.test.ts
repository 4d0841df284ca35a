import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { examineConfig, readConfig, SETTINGS, writeKeysOf } from './config.ts';
import { nearest } from './nearest.ts';

const folder = mkdtempSync(join(tmpdir(), 'clickstream-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const digest = (secret: string) => createHash('sha256').update(secret).digest('hex');
const SHOP = { writeKeys: [digest('shop')], domains: ['shop.example'] };

function fileOf(content: unknown): string {
  const file = join(folder, 'clickstream.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

function problemsOf(content: unknown): readonly string[] {
  return examineConfig({ config: fileOf(content) }).problems.map(({ code, message }) => `${code}: ${message}`);
}

describe('the configuration', () => {
  test('without a file or options is open to this machine alone', () => {
    expect(readConfig({})).toEqual({
      ...{ port: 8080, host: '127.0.0.1', data: 'data', sources: [], readTokens: [], proxies: 0 },
      tracker: { script: '/t.js', collect: '/v1/b' },
    });
  });

  test('is read from a file, whose relative paths start from where it lies', () => {
    const config = fileOf({
      ...{ port: 9000, host: '0.0.0.0', data: 'events', proxies: 1, schemas: './schemas', countries: '/srv/c.mmdb' },
      sources: { shop: { ...SHOP, domains: ['Shop.example', 'bücher.example'] }, app: { writeKeys: [digest('app')] } },
      readTokens: [digest('read').toUpperCase()],
      tracker: { script: '/js/s.js', collect: '/take' },
    });
    expect(readConfig({ config })).toEqual({
      ...{ port: 9000, host: '0.0.0.0', proxies: 1 },
      ...{ data: join(folder, 'events'), schemas: join(folder, 'schemas'), countries: '/srv/c.mmdb' },
      sources: [
        { name: 'shop', writeKeys: [digest('shop')], domains: ['shop.example', 'xn--bcher-kva.example'] },
        { name: 'app', writeKeys: [digest('app')], domains: [] },
      ],
      readTokens: [digest('read')],
      tracker: { script: '/js/s.js', collect: '/take' },
    });
    expect(writeKeysOf(readConfig({ config }))).toEqual([
      { source: 'shop', sha256: digest('shop') },
      { source: 'app', sha256: digest('app') },
    ]);
  });

  test('takes options before the file before the defaults, and says which', () => {
    const { config, origins } = examineConfig({ config: fileOf({ port: 1, data: 'x' }), port: '2' });
    expect(config).toMatchObject({ port: 2, data: join(folder, 'x'), host: '127.0.0.1' });
    expect(origins).toMatchObject({ port: 'option', data: 'file', host: 'default', countries: 'default' });
    expect(readConfig({ data: 'here' }).data).toBe('here');
  });

  test('may give settings to the source that all is of without write keys', () => {
    const config = fileOf({ sources: { default: { domains: ['shop.example'] } } });
    expect(readConfig({ config }).sources).toEqual([{ name: 'default', writeKeys: [], domains: ['shop.example'] }]);
  });
});

describe('the paths of the tracker', () => {
  const pathsOf = (tracker: unknown) => readConfig({ config: fileOf({ tracker }) }).tracker;
  test('may be given one by one, the default ones too', () => {
    expect(pathsOf({ script: '/s.js' })).toEqual({ script: '/s.js', collect: '/v1/b' });
    expect(pathsOf({ collect: '/v1/take' })).toEqual({ script: '/t.js', collect: '/v1/take' });
    expect(pathsOf({ script: '/t.js', collect: '/v1/b' })).toEqual({ script: '/t.js', collect: '/v1/b' });
    expect(pathsOf({})).toEqual({ script: '/t.js', collect: '/v1/b' });
  });

  test.each<[string, unknown]>([
    ['no slash before it', 's.js'],
    ['a slash after it', '/take/'],
    ['no name', '/'],
    ['two slashes', '/a//b'],
    ['what a browser takes out', '/a/../b'],
    ['itself', '/./b'],
    ['a query', '/take?a=1'],
    ['a space', '/ta ke'],
    ['an escape', '/t%61ke'],
    ['another host', '//evil.example'],
    ['too long', `/${'a'.repeat(100)}`],
    ['no text', 7],
  ])('are none with %s', (_, path) => {
    for (const name of ['script', 'collect']) {
      const problem = expect.stringMatching(new RegExp(`^config_invalid: tracker.${name} must be a path such as`));
      expect(problemsOf({ tracker: { [name]: path } })).toEqual([problem]);
    }
  });

  test.each(['/health', '/ready', '/metrics', '/openapi.json', '/api', '/api/v1/take', '/assets/s.js'])(
    'are not where readers find something: %s',
    (path) => {
      const problem = expect.stringMatching(/must be a path at which nothing else is served, got \//);
      expect(problemsOf({ tracker: { collect: path } })).toEqual([problem]);
    },
  );

  test.each(['/v1/batch', '/v1/t', '/v1/m', '/v1/projects/key/settings'])(
    'are not where other trackers send to: %s',
    (path) => {
      for (const name of ['script', 'collect']) {
        expect(problemsOf({ tracker: { [name]: path } })).toEqual([expect.stringMatching(/nothing else is served/)]);
      }
    },
  );
});

describe('a configuration that is wrong', () => {
  test.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /is not JSON/],
    ['no object', [], /must hold an object, got \[\]/],
    ['a setting misspelt', { prot: 1 }, /unknown setting "prot"; did you mean "port"\?/],
    ['a setting of another program', { colour: 1 }, /unknown setting "colour"; known are port, host, data/],
    ['the list of an older version', { writeKeys: [] }, /unknown setting "writeKeys"/],
    ['a port', { port: 70_000 }, /port must be a whole number from 0 to 65535, got 70000/],
    ['a host', { host: 5 }, /host must be a text, got 5/],
    ['a path', { schemas: null }, /schemas must be a text, got null/],
    ['proxies', { proxies: 1.5 }, /proxies must be a whole number from 0 to 10, got 1.5/],
    ['sources', { sources: [] }, /sources must be an object such as .*, got a list/],
    ['a name', { sources: { 'a b': SHOP } }, /a source is named by .*, got "a b"/],
    ['a source', { sources: { shop: null } }, /the source "shop" must be an object such as .*, got null/],
    ['its setting', { sources: { shop: { ...SHOP, domain: [] } } }, /"shop": "domain"; did you mean "domains"\?/],
    ['its keys', { sources: { shop: { writeKeys: {} } } }, /writeKeys of the source "shop" must be a list/],
    ['no keys', { sources: { shop: SHOP, app: {} } }, /the source "app" has no writeKeys/],
    ['no keys at all', { sources: { shop: { domains: [] } } }, /the source "shop" has no writeKeys/],
    ['a key twice', { sources: { shop: SHOP, app: SHOP } }, /is given to "shop" and to "app"/],
    ['too many keys', { readTokens: Array(1_001).fill(digest('x')) }, /at most 1000, got 1001/],
    ['the tracker', { tracker: '/s.js' }, /tracker must be an object such as .*, got "\/s.js"/],
    ['its setting', { tracker: { scripts: '/s.js' } }, /tracker: "scripts"; did you mean "script"\?/],
    ['one path for both', { tracker: { script: '/a', collect: '/a' } }, /must differ, got \/a for both/],
    ['the path of the script', { tracker: { collect: '/t.js' } }, /must differ, got \/t.js for both/],
    ['open', { host: '0.0.0.0' }, /^open_without_keys: host 0.0.0.0 .* no writeKeys and no readTokens/],
    ['half open', { host: '0.0.0.0', sources: { shop: SHOP } }, /^open_without_keys: .* has no readTokens$/],
  ])('has one problem: %s', (_, content, message) => {
    expect(problemsOf(content)).toEqual([expect.stringMatching(message)]);
  });

  test.each([
    'https://shop.example',
    'shop.example:80',
    'shop.example/a',
    '*.shop.example',
    '.shop',
    'a..b',
    'a b',
    '',
  ])('has a domain that is none: %s', (domain) => {
    const problems = problemsOf({ sources: { shop: { ...SHOP, domains: [domain] } } });
    expect(problems).toEqual([expect.stringMatching(/names of hosts such as shop.example/)]);
  });

  test('is told of whole, and the first problem is thrown with how many there are', () => {
    const content = { port: -1, host: '', sources: { shop: { writeKeys: ['x', 'y'] } }, readTokens: 7, more: 1 };
    expect(problemsOf(content)).toHaveLength(6);
    expect(() => readConfig({ config: fileOf(content) })).toThrow(/unknown setting "more".*\(6 problems: clickstream/);
  });

  test('never has a secret shown that was put where its digest belongs', () => {
    const secret = 'my-secret';
    const wrong = [
      { sources: { shop: { writeKeys: [secret] } } },
      { sources: { shop: { writeKeys: secret } } },
      { sources: { shop: secret } },
      { sources: secret },
      { readTokens: [secret] },
      { readTokens: secret },
    ];
    for (const content of wrong) {
      expect(problemsOf(content)).toHaveLength(1);
      expect(problemsOf(content).join()).not.toContain(secret);
    }
  });

  test('is an answer, whatever the JSON', () => {
    const names = fc.constantFrom(...SETTINGS);
    const source = fc.dictionary(fc.string(), fc.record({ writeKeys: fc.jsonValue(), domains: fc.jsonValue() }));
    fc.assert(
      fc.property(fc.dictionary(names, fc.oneof(fc.jsonValue(), source)), (content) => {
        const { config, problems } = examineConfig({ config: fileOf(content) });
        expect(Number.isInteger(config.port)).toBe(true);
        for (const { code } of problems) expect(['config_invalid', 'open_without_keys']).toContain(code);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the nearest word', () => {
  test.each([
    ['prot', 'port'],
    ['Read_tokens', 'readTokens'],
    ['source', 'sources'],
    ['x', undefined],
    ['writeKeys', undefined],
    ['z'.repeat(10_000), undefined],
  ])('of %s is %s', (word, expected) =>
    expect(nearest(word, ['port', 'host', 'sources', 'readTokens'])).toBe(expected),
  );
});

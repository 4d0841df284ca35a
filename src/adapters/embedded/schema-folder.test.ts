import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventWith } from '../../../tests/events.ts';
import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import { compileSchemas } from '../../process/schemas.ts';
import { openSchemaFolder, type SchemaFile } from './schema-folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'schemas-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(file: string, content: unknown): void {
  const path = join(folder, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content));
}

const list = (files: readonly SchemaFile[]) => files;
const openList = () => openSchemaFolder({ folder, compile: list });
const openCompiled = () => openSchemaFolder({ folder, compile: compileSchemas });

function refusal(): string {
  try {
    openCompiled();
  } catch (error) {
    if (error instanceof ClickstreamError && error.code === 'config_invalid') return error.message;
    throw error;
  }
  return 'nothing was thrown';
}

describe('layout', () => {
  test('event types, versions, and those of a source; names are percent-decoded', () => {
    put('Signup/1.json', true);
    put('Signup/10.json', { required: ['userId'] });
    put('Order%20Completed/0.json', true);
    put('a%2Fb%25%2e/1.json', true);
    put('%40shop/1.json', true);
    put('@shop/Signup/3.json', true);
    put('@shop/@shop/4.json', true);
    const files = openList().current.map(({ file, source, eventType, version }) => [file, source, eventType, version]);
    expect(files).toEqual([
      ['%40shop/1.json', undefined, '@shop', 1],
      ['@shop/@shop/4.json', 'shop', '@shop', 4],
      ['@shop/Signup/3.json', 'shop', 'Signup', 3],
      ['Order%20Completed/0.json', undefined, 'Order Completed', 0],
      ['Signup/1.json', undefined, 'Signup', 1],
      ['Signup/10.json', undefined, 'Signup', 10],
      ['a%2Fb%25%2e/1.json', undefined, 'a/b%.', 1],
    ]);
  });
  test('names that begin with a dot are not looked at, nor are files of another kind; links are followed', () => {
    put('.hidden/1.json', 'broken');
    put('README.md', '');
    put('Signup/README.md', '');
    put('Signup/.1.json.swp', 'broken');
    put('Signup/1.json~', 'broken');
    put('..data/1.json', { required: ['a'] });
    symlinkSync('../..data/1.json', join(folder, 'Signup', '1.json'));
    expect(openList().current.map(({ file, schema }) => [file, schema])).toEqual([
      ['Signup/1.json', { required: ['a'] }],
    ]);
  });
  test('a byte order mark is none of the JSON', () => {
    put('Signup/1.json', '\uFEFFtrue');
    expect(openList().current[0]?.schema).toBe(true);
  });
  test('an empty folder holds no schemas', () => {
    expect(openList().current).toEqual([]);
  });
});

describe('what is wrong at the start is an error with the file and the reason', () => {
  test.each<[string, unknown, string]>([
    ['Signup/1.json', '{"required": ["a"}', "Signup/1.json: not JSON in UTF-8: Expected ',' or ']'"],
    ['Signup/1.json', '', 'Signup/1.json: not JSON in UTF-8: '],
    ['Signup/1.json', new Uint8Array([0x22, 0xff, 0x22]), 'Signup/1.json: not JSON in UTF-8: '],
    ['Signup/1.json', { requried: [] }, 'Signup/1.json: strict mode: unknown keyword: "requried"'],
    ['Signup/v1.json', true, 'Signup/v1.json: a schema is named by its version, a whole number of at most 9 digits'],
    ['Signup/01.json', true, 'Signup/01.json: a schema is named by its version'],
    ['Signup/1.JSON', true, 'Signup/1.JSON: a schema is named by its version'],
    ['Signup.json', true, 'Signup.json: a schema lies in the folder of its event type: <event type>/<version>.json'],
    ['@shop/1.json', true, '@shop/1.json: a schema lies in the folder of its event type'],
    ['shop/Signup/1.json', true, 'shop/Signup: a folder in that of an event type; one for a source is named @<source>'],
    ['@/Signup/1.json', true, '@: a source has a name'],
    ['100%/1.json', true, '100%: a name is percent-encoded, and a "%" itself is %25, got "100%"'],
    ['Signup/1.json/1.json', true, 'Signup/1.json: a folder in that of an event type'],
    [
      'Signup/1.json',
      `"${'x'.repeat(LIMITS.schemaFileBytesMax)}"`,
      `Signup/1.json: ${LIMITS.schemaFileBytesMax + 2} bytes; allowed: at most ${LIMITS.schemaFileBytesMax}`,
    ],
  ])('%s', (file, content, reason) => {
    put(file, content);
    expect(refusal()).toContain(`the schema folder ${folder}: ${reason}`);
  });
  test('two names of one event type', () => {
    put('Signup/1.json', true);
    put('Sign%75p/1.json', true);
    expect(refusal()).toContain('Signup/1.json: Sign%75p/1.json is version 1 of the event type "Signup", too');
  });
  test('more files than are allowed', () => {
    mkdirSync(join(folder, 'Signup'));
    for (let version = 0; version <= LIMITS.schemaFilesMax; version += 1) put(`Signup/${version}.json`, true);
    expect(refusal()).toContain(`there are ${LIMITS.schemaFilesMax + 1} schemas; allowed: at most`);
  });
  test('a folder that is not there, or is a file', () => {
    put('file', '');
    for (const name of ['absent', 'file']) {
      const path = join(folder, name);
      expect(() => openSchemaFolder({ folder: path, compile: list })).toThrow(`the schema folder ${path}: E`);
    }
  });
});

describe('reload', () => {
  const missing = (name: string) => ({ properties: { properties: { required: [name] } } });
  const told = (schemas: ReturnType<typeof openCompiled>, eventType = 'Signup') =>
    schemas.current.check(eventWith({ eventType }))?.detail;

  test('a file that is added, changed, broken, mended and removed', () => {
    put('Signup/1.json', missing('a'));
    const schemas = openCompiled();
    const needsA = 'Signup/1.json: /properties/a must be there, got nothing';
    const needsB = 'Signup/1.json: /properties/b must be there, got nothing';
    expect([schemas.refresh(), schemas.fault, told(schemas)]).toEqual([false, undefined, needsA]);

    put('page/1.json', missing('path'));
    expect(told(schemas, 'page')).toBeUndefined();
    expect(schemas.refresh()).toBe(true);
    expect(told(schemas, 'page')).toContain('/properties/path must be there');
    expect(told(schemas)).toBe(needsA);

    put('Signup/1.json', missing('b'));
    expect([schemas.refresh(), told(schemas), schemas.refresh()]).toEqual([true, needsB, false]);

    // Broken as JSON, then as a schema: each is told once, and what was in force stays, of every type.
    put('Signup/1.json', '{');
    rmSync(join(folder, 'page'), { recursive: true });
    expect(schemas.refresh()).toBe(true);
    expect(schemas.fault).toContain('Signup/1.json: not JSON in UTF-8');
    expect([told(schemas), schemas.refresh()]).toEqual([needsB, false]);
    put('Signup/1.json', { type: 'objekt' });
    expect(schemas.refresh()).toBe(true);
    expect(schemas.fault).toContain('Signup/1.json: /type must');
    expect([told(schemas), schemas.refresh()]).toEqual([needsB, false]);
    expect(told(schemas, 'page')).toContain('/properties/path must be there');

    put('Signup/1.json', missing('a'));
    expect([schemas.refresh(), schemas.fault, told(schemas)]).toEqual([true, undefined, needsA]);
    expect(told(schemas, 'page')).toBeUndefined();

    rmSync(join(folder, 'Signup', '1.json'));
    expect([schemas.refresh(), told(schemas), schemas.current.list]).toEqual([true, undefined, []]);
  });
  test('a fault that goes by undoing the change is gone', () => {
    put('Signup/1.json', missing('a'));
    const schemas = openCompiled();
    put('page/x.json', true);
    expect([schemas.refresh(), schemas.fault === undefined]).toEqual([true, false]);
    rmSync(join(folder, 'page'), { recursive: true });
    expect([schemas.refresh(), schemas.fault]).toEqual([true, undefined]);
  });
  test('a folder that is gone is a fault, not an end of all schemas; it may come back', () => {
    put('Signup/1.json', missing('a'));
    const schemas = openCompiled();
    renameSync(folder, `${folder}-away`);
    expect([schemas.refresh(), schemas.refresh()]).toEqual([true, false]);
    expect(schemas.fault).toContain('ENOENT');
    expect(told(schemas)).toContain('/properties/a must be there');
    renameSync(`${folder}-away`, folder);
    expect([schemas.refresh(), schemas.fault]).toEqual([true, undefined]);
  });
  test('a change that keeps the length and the time of writing is seen', () => {
    put('Signup/1.json', missing('a'));
    const { atime, mtime } = statSync(join(folder, 'Signup/1.json'));
    const schemas = openCompiled();
    put('Signup/next', missing('b'));
    utimesSync(join(folder, 'Signup/next'), atime, mtime);
    renameSync(join(folder, 'Signup/next'), join(folder, 'Signup/1.json'));
    expect([schemas.refresh(), told(schemas)]).toEqual([
      true,
      'Signup/1.json: /properties/b must be there, got nothing',
    ]);
  });
  test('only what changed is read anew', () => {
    put('Signup/1.json', true);
    put('page/1.json', true);
    const files = openList();
    const [page, signup] = files.current.toSorted((a, b) => (a.file > b.file ? -1 : 1));
    put('page/1.json', false);
    expect(files.refresh()).toBe(true);
    expect(files.current).toContain(signup);
    expect(files.current).not.toContain(page);
  });
  test('what the program itself does wrong is no fault of the folder', () => {
    put('Signup/1.json', true);
    let calls = 0;
    const files = openSchemaFolder({
      folder,
      compile() {
        calls += 1;
        if (calls > 1) throw new TypeError('a fault of the program');
      },
    });
    put('Signup/2.json', true);
    expect(() => files.refresh()).toThrow('a fault of the program');
  });
});

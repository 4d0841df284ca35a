import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { openEventReader, type SqliteEventReader } from '../../src/adapters/embedded/event-reader.ts';
import { openEventStore } from '../../src/adapters/embedded/event-store.ts';
import { Accept } from '../../src/collect/accept.ts';
import { Numbering } from '../../src/collect/numbering.ts';
import { PROTOCOLS } from '../../src/collect/protocols.ts';
import { isObject, type JsonObject } from '../../src/core/json.ts';
import { answer, processBatch } from '../../src/pipeline.ts';
import { MemoryEventLog } from '../contracts/memory-event-log.ts';
import { assertQuick, type Fuzzing, parametersOf } from './fuzzing.ts';
import { mutated, mutations } from './mutations.ts';
import type { RealRequest } from './real-traffic.ts';

const LANE = 'lane-0';

/** A GET of the API, and the parameters that it declares, with texts that each may have. */
interface Place {
  readonly path: string;
  readonly inPath: readonly string[];
  readonly parameters: ReadonlyMap<string, readonly string[]>;
}

/** Whatever is asked, with whatever parameters: an answer of 200, 400 or 404, and never a fault of the program. */
export async function fuzzQuestions(traffic: readonly RealRequest[], fuzzing: Fuzzing): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-questions-'));
  await store(folder, traffic);
  const reader = openEventReader({ folder });
  try {
    const places = await placesOf(reader);
    assert.ok(places.length > 8, 'the document lists what can be asked');
    const cursors = await cursorsOf(reader);
    assert.ok(cursors.length > 0, 'some lists go on');
    const question = fc.constantFrom(...places).chain((place) => questionOf(place, cursors));
    await fc.assert(
      fc.asyncProperty(question, async (asked) => {
        const startMs = performance.now();
        const { status, body } = await ask(reader, asked);
        assert.ok([200, 400, 404].includes(status), `${status}: ${body}`);
        assert.ok(isObject(JSON.parse(body)));
        assertQuick(startMs);
      }),
      parametersOf(fuzzing),
    );
  } finally {
    await reader.close();
    rmSync(folder, { recursive: true });
  }
}

interface Asked {
  readonly path: string;
  readonly parameters: Readonly<Record<string, string>>;
}

function ask(reader: SqliteEventReader, asked: Asked) {
  return answer(asked, {
    reader,
    clock: Date.now,
    log: async () => ({ records: [], findings: [] }),
    report: (fault) => {
      throw fault;
    },
  });
}

/** Real events, and some that are set aside. */
async function store(folder: string, traffic: readonly RealRequest[]): Promise<void> {
  const log = new MemoryEventLog();
  const accept = new Accept({ log, numbering: new Numbering('fuzz') });
  const wrong = { method: 'POST', path: '/v1/batch', headers: {}, body: Buffer.from('{"batch":[{"type":"page"},7]}') };
  for (const request of [...traffic, wrong]) {
    for (const protocol of PROTOCOLS) {
      const mapped = protocol.map({ ...request, query: '', receivedAt: Date.now() });
      if (mapped.kind === 'events') await accept.accept(mapped, { source: 'default', receivedAt: Date.now() });
    }
  }
  const written = openEventStore({ folder });
  await processBatch({ lane: LANE, records: log.lanes.get(LANE) ?? [] }, written);
  await written.settle();
  await written.close();
}

async function placesOf(reader: SqliteEventReader): Promise<readonly Place[]> {
  const { status, body } = await ask(reader, { path: '/openapi.json', parameters: {} });
  assert.equal(status, 200);
  const { paths } = JSON.parse(body) as { readonly paths: Readonly<Record<string, { readonly get?: JsonObject }>> };
  return Object.entries(paths).flatMap(([path, { get }]) => {
    // What is answered elsewhere than from the store: the page, health, settings of trackers.
    if (get === undefined || !path.startsWith('/api/')) return [];
    const declared = (Array.isArray(get.parameters) ? get.parameters : []) as readonly {
      readonly name: string;
      readonly in: string;
      readonly schema: JsonObject;
    }[];
    const query = declared.filter((parameter) => parameter.in === 'query');
    const inPath = declared.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
    return [{ path, inPath, parameters: new Map(query.map(({ name, schema }) => [name, textsOf(schema)] as const)) }];
  });
}

function textsOf(schema: JsonObject): readonly string[] {
  const listed = [schema.enum, schema.examples].flatMap((values) => (Array.isArray(values) ? values.map(String) : []));
  return listed.length === 0 ? ['1', 'a'] : listed;
}

async function cursorsOf(reader: SqliteEventReader): Promise<readonly string[]> {
  const cursors: string[] = [];
  for (const path of ['/api/v1/events', '/api/v1/bad', '/api/v1/users/ada/events']) {
    const { body } = await ask(reader, { path, parameters: { limit: '1' } });
    const { cursor } = JSON.parse(body) as { readonly cursor?: unknown };
    if (typeof cursor === 'string') cursors.push(cursor);
  }
  return cursors;
}

const COMMON = [
  ...[
    '',
    '0',
    '-1',
    '1e9',
    '9'.repeat(30),
    'NaN',
    'null',
    'true',
    'a',
    'ada',
    'page',
    'default',
    'Europe/Berlin',
    '+14:00',
  ],
  ...[
    '2026-11-23T10:04:05Z',
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999999999Z',
    '1763870398000',
    '-62167219200000',
  ],
  ...["' OR 1=1 --", '%', '%zz', '_', '\u0000', '\ud800', '😀', 'x'.repeat(3_000), '__proto__', '{"a":1}', '../..'],
];

/** In a path they stand for other characters, or for none. */
const ESCAPES = ['%', '%zz', '%E0%A4%A', '%00', 'a%2Fb', '%25zz'];

function questionOf({ path, inPath, parameters }: Place, cursors: readonly string[]): fc.Arbitrary<Asked> {
  const seeds = (known: readonly string[]) => fc.constantFrom(...known, ...cursors, ...COMMON);
  const text = (known: readonly string[]) =>
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...known) },
      { weight: 2, arbitrary: seeds(known) },
      {
        weight: 2,
        arbitrary: fc
          .tuple(seeds(known), mutations)
          .map(([from, how]) => mutated(Buffer.from(from), how).toString('utf8')),
      },
      { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
    );
  const given = [...parameters].map(([name, known]) =>
    fc.option(text(known), { nil: undefined, freq: 2 }).map((value) => [name, value] as const),
  );
  const more = fc.option(fc.tuple(fc.string(), fc.string()), { nil: undefined, freq: 20 });
  const segments = fc.tuple(...inPath.map(() => text(['ada', '1', LANE, ...ESCAPES])));
  return fc.tuple(segments, fc.tuple(...given), more, fc.boolean()).map(([names, values, other, isEncoded]) => {
    const filled = inPath.reduce((filling, name, place) => {
      const value = names[place] ?? '';
      return filling.replace(`{${name}}`, () => (isEncoded ? encoded(value) : value));
    }, path);
    const pairs = [...values, other].filter((pair) => pair?.[1] !== undefined) as (readonly [string, string])[];
    return { path: filled, parameters: Object.fromEntries(pairs) };
  });
}

function encoded(text: string): string {
  // A lone surrogate has no bytes in UTF-8, and comes over no wire.
  return encodeURIComponent(text.toWellFormed());
}

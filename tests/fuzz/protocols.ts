import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Accept } from '../../src/collect/accept.ts';
import { Numbering } from '../../src/collect/numbering.ts';
import type { CollectRequest, MappedRequest, Protocol } from '../../src/collect/protocol.ts';
import { PROTOCOLS } from '../../src/collect/protocols.ts';
import { ClickstreamError } from '../../src/core/errors.ts';
import { decodeRecord } from '../../src/log/record.ts';
import { MemoryEventLog } from '../contracts/memory-event-log.ts';
import { assertQuick, type Fuzzing, MemoryGuard, parametersOf } from './fuzzing.ts';
import { type Mutation, mutated, mutations } from './mutations.ts';
import type { RealRequest } from './real-traffic.ts';

const HEAP_BYTES_MAX = 64_000_000;

/** Paths of a protocol's routes, stars filled. */
function pathsOf({ routes }: Protocol): readonly { readonly method: string; readonly path: string }[] {
  return routes.flatMap(({ path, methods }) =>
    methods.map((method) => ({ method, path: path.replaceAll('*', 'any') })),
  );
}

function mutatedOf({ method, path, body }: RealRequest, changes: readonly Mutation[]) {
  return { method, path, body: mutated(body, changes) };
}

/** The protocol that a path, without a star, is of. */
export function protocolOf(path: string): Protocol {
  const found = PROTOCOLS.find((protocol) => pathsOf(protocol).some((place) => place.path === path));
  assert.ok(found !== undefined, `no protocol has ${path}`);
  return found;
}

/** Whatever bytes come: a protocol maps or rejects them, and each event that it maps is an item of a record. */
export async function fuzzProtocols(traffic: readonly RealRequest[], fuzzing: Fuzzing): Promise<void> {
  const guard = new MemoryGuard({ cases: fuzzing.runs, bytesMax: HEAP_BYTES_MAX });
  const madeUp = fc.oneof(
    fc.json({ maxDepth: 6 }).map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
  );
  const anyPlace = fc.constantFrom(...PROTOCOLS.flatMap(pathsOf));
  const request = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...traffic).chain((real) => mutations.map((how) => mutatedOf(real, how))) },
    {
      weight: 1,
      arbitrary: fc.tuple(anyPlace, fc.constantFrom(...traffic)).map(([at, { body }]) => ({ ...at, body })),
    },
    { weight: 2, arbitrary: fc.tuple(anyPlace, madeUp).map(([at, body]) => ({ ...at, body })) },
  );
  const property = fc.asyncProperty(request, fc.string(), fc.string(), async (sent, query, authorization) => {
    const startMs = performance.now();
    await holds(protocolOf(sent.path), { ...sent, query, headers: { authorization }, receivedAt: Date.now() });
    assertQuick(startMs);
    guard.count();
  });
  await fc.assert(property, parametersOf(fuzzing));
  guard.check();
}

async function holds(protocol: Protocol, request: CollectRequest): Promise<void> {
  const mapped = protocol.map(request);
  if (mapped.kind === 'events') await allAreKept(mapped, request);
  else if (mapped.kind === 'rejected') {
    const { status } = protocol.failure(mapped.error);
    assert.ok(status >= 400 && status < 500, `a malformed request is answered ${status}`);
  }
}

async function allAreKept(mapped: MappedRequest, { receivedAt }: CollectRequest): Promise<void> {
  const log = new MemoryEventLog();
  const accept = new Accept({ log, numbering: new Numbering('fuzz') });
  try {
    const { events } = await accept.accept(mapped, { source: 'default', receivedAt });
    assert.equal(events, mapped.events.length);
  } catch (thrown) {
    // Too large, once mapped: nothing is promised, and nothing may be there.
    if (!(thrown instanceof ClickstreamError) || thrown.code === 'internal') throw thrown;
    assert.equal(log.lanes.size, 0);
    return;
  }
  const records = [...log.lanes.values()].flat().map(({ data }) => decodeRecord(data));
  const lines = records.flatMap(({ lines: ofRecord }) => ofRecord);
  assert.equal(lines.length, mapped.events.length);
  for (const line of lines) JSON.parse(line);
}

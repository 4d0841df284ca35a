import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { get, type RunningServer, settledAudit } from '../end-to-end/running-server.ts';
import { CASE_MS_MAX, type Fuzzing, parametersOf } from './fuzzing.ts';
import { type Mutation, mutated, mutations } from './mutations.ts';
import { protocolOf } from './protocols.ts';
import type { RealRequest } from './real-traffic.ts';

/** What a server under fuzzing may keep in memory beyond what it had after a tenth of the cases. */
const GROWTH_BYTES_MAX = 300_000_000;

const CODINGS = {
  '': { pack: (bytes: Buffer) => bytes, unpack: (bytes: Buffer) => bytes },
  gzip: { pack: gzipSync, unpack: gunzipSync },
  br: { pack: brotliCompressSync, unpack: brotliDecompressSync },
} as const;
type Coding = keyof typeof CODINGS;

interface Case {
  readonly request: RealRequest;
  readonly coding: Coding;
  /** Of the body, and of the body once it is compressed. */
  readonly changes: readonly Mutation[];
  readonly packedChanges: readonly Mutation[];
}

/**
 * Mutated real traffic against a real server: each request is answered in time and with no 5xx, and what is answered with a 2xx is
 * stored or set aside, to the last event, by the server's own audit, which counts apart from us.
 */
export async function fuzzServed(
  server: RunningServer,
  traffic: readonly RealRequest[],
  fuzzing: Fuzzing,
): Promise<void> {
  let expected = (await settledAudit(server)).accepted;
  let cases = 0;
  let residentBytes: number | undefined;
  const rarely = fc.oneof(
    { weight: 5, arbitrary: fc.constant<readonly Mutation[]>([]) },
    { weight: 1, arbitrary: mutations },
  );
  const any: fc.Arbitrary<Case> = fc.record({
    request: fc.constantFrom(...traffic),
    coding: fc.constantFrom<Coding>('', '', 'gzip', 'br'),
    changes: fc.oneof({ weight: 4, arbitrary: mutations }, { weight: 1, arbitrary: fc.constant([]) }),
    packedChanges: rarely,
  });
  const property = fc.asyncProperty(any, async (sent) => {
    const status = await post(server, sent);
    assert.ok(status >= 200 && status < 500, `answered ${status}`);
    if (status < 300) expected += eventsIn(sent);
    cases += 1;
    if (cases === Math.floor(fuzzing.runs / 10)) residentBytes = residentOf(server);
  });
  await fc.assert(property, parametersOf(fuzzing));
  const audit = await settledAudit(server);
  assert.deepEqual(audit.problems, []);
  assert.ok(audit.balanced);
  assert.equal(audit.accepted, expected, 'each event that was answered with a 2xx is accounted for, and no other');
  assert.equal(audit.stored + audit.duplicate + audit.bad, expected);
  assert.equal(server.errors(), '', 'a server has nothing to say of what clients send');
  const grown = (residentOf(server) ?? 0) - (residentBytes ?? 0);
  assert.ok(grown < GROWTH_BYTES_MAX, `the server has ${grown} bytes more in memory`);
  await get(server, '/health');
  assert.ok(expected > cases / 20, 'some of what is sent is taken');
}

function bytesOf({ request, coding, changes, packedChanges }: Case): Buffer {
  return mutated(CODINGS[coding].pack(mutated(request.body, changes)), packedChanges);
}

/** The status of the answer, which there must be. */
function post(server: RunningServer, sent: Case): Promise<number> {
  const { request, coding } = sent;
  const body = bytesOf(sent);
  const headers = { ...request.headers, ...(coding !== '' && { 'content-encoding': coding }) };
  const lines = Object.entries({
    ...headers,
    host: 'fuzz',
    'content-length': String(body.length),
    connection: 'close',
  });
  const head = `${request.method} ${request.path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.setTimeout(CASE_MS_MAX, () => socket.destroy(new Error('no answer in time')));
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const status = /^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1];
      if (status === undefined) reject(new Error(`no answer, but ${answer}`));
      else resolve(Number(status));
    });
    // Not ended: who hangs up before the answer is given none.
    socket.write(Buffer.concat([Buffer.from(head), body]));
  });
}

/** How many events a request holds that was taken; what its protocol answers by itself holds none. */
function eventsIn(sent: Case): number {
  const { request, coding } = sent;
  const [path = '', query = ''] = request.path.split('?');
  const body = CODINGS[coding].unpack(bytesOf(sent));
  const { method, headers } = request;
  const mapped = protocolOf(path).map({ method, path, query, headers, body, receivedAt: Date.now() });
  assert.notEqual(mapped.kind, 'rejected', 'what is malformed is not answered with a 2xx');
  return mapped.kind === 'events' ? mapped.events.length : 0;
}

/** Where the system tells; elsewhere nothing is known of it. */
function residentOf({ process: child }: RunningServer): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
}

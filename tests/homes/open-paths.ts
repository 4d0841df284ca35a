/** What a home answers to anyone who reaches it, and that it tells them nothing of what is stored, or of what stores it. */
import assert from 'node:assert/strict';
import { readPage } from '../../src/main/page-folder.ts';
import { builtTracker } from '../../src/main/tracker-file.ts';
import { answer } from '../../src/pipeline.ts';
import { PAGE_POLICY } from '../../src/query/page.ts';
import { MemoryEventStore } from '../contracts/memory-event-store.ts';
import type { CommandHome } from './shell.ts';

/** An answer to a request without any key. */
interface Told {
  readonly status: number;
  readonly type: string;
  readonly headers: Headers;
  readonly body: string;
}

/** Refused, wrong or at no path: what an error says is open to all, too. */
const CLOSED: readonly (readonly [path: string, status: number, request?: RequestInit])[] = [
  ['/api/v1/events', 401],
  ['/api/v1/audit?deep=true', 401],
  ['/api/v1/events', 401, { headers: { Authorization: 'Bearer wrong' } }],
  ['/api/v1/dead/any/redrive', 401, { method: 'POST' }],
  ['/api/v1/rebuilds', 401, { method: 'POST' }],
  ['/api/v1/system', 401],
  ['/metrics', 401],
  ['/nothing', 404],
  ['/ready', 405, { method: 'POST' }],
  ['/ready?a=1&a=2', 400],
  ['/v1/track', 401, { method: 'POST', body: '{}' }],
  ['/v1/track', 400, { method: 'POST', body: 'no JSON' }],
  ['/v1/projects/wrong/settings', 401],
];

/**
 * Throws unless the page, the document, health and readiness are for all and the same whatever is stored, and neither they nor
 * any refusal have one of these words in them: names of what the home is made of. Returns what was seen.
 */
export async function openPaths(home: CommandHome, names: readonly string[]): Promise<string> {
  const secrets = [...(await sendSecrets(home)), home.readToken, home.writeKey, ...names];
  const documented = await answer(
    { path: '/openapi.json', parameters: {} },
    { reader: new MemoryEventStore(), clock: Date.now, report: () => undefined },
  );
  const page = [...readPage()].map(([path, { type, body }]) => [path, [type, body.toString()]] as const);
  assert.ok(page.length > 1, 'the page was not built');
  const open: Readonly<Record<string, readonly [type: string, body: string]>> = {
    ...Object.fromEntries(page),
    '/openapi.json': ['application/json', documented.body],
    '/health': ['application/json', '{"status":"ok"}'],
    '/ready': ['application/json', '{"ready":true,"reasons":[]}'],
    '/t.js': ['text/javascript; charset=utf-8', builtTracker() ?? 'it is not built'],
  };
  for (const [path, [type, body]] of Object.entries(open)) {
    const told = await ask(home, path);
    assert.deepEqual([told.status, told.type], [200, type], path);
    // Nothing but what the program is: no part of it comes from the store, or from where it runs.
    assert.ok(told.body === body, `${path} is not what the program makes of itself`);
    assertSilent(told, secrets, path);
    assert.equal((await ask(home, path, { method: 'HEAD' })).status, 200, path);
  }
  assert.equal((await ask(home, '/')).headers.get('content-security-policy'), PAGE_POLICY);
  for (const [path, status, request] of CLOSED) {
    const told = await ask(home, path, request);
    const asked = `${request?.method ?? 'GET'} ${path}`;
    assert.equal(told.status, status, `${asked}: ${told.body}`);
    assertSilent(told, secrets, asked);
  }
  const metrics = await ask(home, '/metrics', { headers: { Authorization: `Bearer ${home.readToken}` } });
  assert.deepEqual([metrics.status, metrics.type.split(';')[0]], [200, 'text/plain'], metrics.body);
  const kinds = `${Object.keys(open).length} open paths as they are written, ${CLOSED.length} refusals`;
  return `${kinds}: none of ${secrets.length} words of events, keys and resources in them; /metrics with the token`;
}

/** Events with a word of their own wherever a sender can put one, a good one and one that is set aside. */
async function sendSecrets({ url, writeKey, processed }: CommandHome): Promise<readonly string[]> {
  let words = 0;
  const marker = Date.now().toString(36);
  const word = () => {
    words += 1;
    return `secret-${marker}-${words}`;
  };
  const event = {
    ...{ messageId: word(), anonymousId: word(), userId: word(), event: word() },
    properties: { [word()]: word() },
    context: { [word()]: word() },
    traits: { [word()]: word() },
  };
  const batch = [
    { ...event, type: 'track' },
    { ...event, type: word(), messageId: word() },
  ];
  const response = await fetch(`${url}/v1/batch`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${writeKey}` },
    body: JSON.stringify({ batch }),
  });
  assert.equal(response.status, 200);
  await processed();
  return Array.from({ length: words }, (_, index) => `secret-${marker}-${index + 1}`);
}

async function ask({ url }: CommandHome, path: string, request: RequestInit = {}): Promise<Told> {
  const response = await fetch(`${url}${path}`, request);
  const { status, headers } = response;
  return { status, type: headers.get('content-type') ?? '', headers, body: await response.text() };
}

function assertSilent({ headers, body }: Told, words: readonly string[], path: string): void {
  const all = [...[...headers].map((header) => header.join(': ')), body].join('\n');
  const told = words.filter((word) => all.includes(word));
  assert.deepEqual(told, [], `${path} tells them to anyone`);
}

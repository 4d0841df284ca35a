import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clickstream } from './command.ts';
import { everyEvent, get, killServers, type RunningServer, settledAudit, startServer } from './running-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'clickstream-bad-replay-'));
const data = join(folder, 'data');
const schemas = join(folder, 'schemas');
const file = (name: string) => join(folder, name);

/** Prices are held to be numbers, and after the mending to be texts too. */
function writeSchema(type: string | readonly string[]): void {
  const schema = { properties: { properties: { properties: { price: { type } } } } };
  writeFileSync(join(schemas, 'Paid', '1.json'), JSON.stringify(schema));
}

let server: RunningServer;
const start = () => startServer({ data, options: ['--config', file('clickstream.json')] });

beforeAll(async () => {
  mkdirSync(join(schemas, 'Paid'), { recursive: true });
  writeSchema('number');
  writeFileSync(file('clickstream.json'), JSON.stringify({ schemas }));
  server = await start();
}, 60_000);
afterAll(() => {
  killServers();
  rmSync(folder, { recursive: true, force: true });
});

async function send(events: readonly object[]): Promise<void> {
  const batch = events.map((event) => ({ type: 'track', event: 'Paid', timestamp: '2026-11-25T10:00:00Z', ...event }));
  const response = await fetch(`${server.url}/v1/batch`, { method: 'POST', body: JSON.stringify({ batch }) });
  expect(response.status).toBe(200);
}

interface Bad {
  readonly id: string;
  readonly code: string;
  readonly payload: string;
  readonly replay: { readonly edit: string | null; readonly position: object | null } | null;
  readonly replayOf: string | null;
}

const badOf = async (path = '/api/v1/bad') => (await get<{ readonly bad: readonly Bad[] }>(server, path)).bad;
const bad = (...words: readonly string[]) => clickstream(['bad', ...words, '--url', server.url]);
const counts = async () => {
  const audit = (await settledAudit(server)) as unknown as Record<string, unknown>;
  const { balanced, accepted, stored, duplicate, problems } = audit;
  return { balanced, accepted, stored, duplicate, bad: audit.bad, problems };
};
const WELL = { balanced: true, problems: [] };
const post = async (id: string, body: object) => {
  const headers = { 'content-type': 'application/json' };
  const url = `${server.url}/api/v1/bad/${id}/replay`;
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

test('reasons are counted by kind, and the bytes are there as they came', async () => {
  const paid = [1, 2, 3].map((n) => ({ messageId: `m${n}`, anonymousId: 'ada', properties: { n, price: `${n}` } }));
  await send([...paid, { messageId: 'm4', properties: { n: 4, price: 4 } }]);
  // Its sender got no answer, and sends it again.
  await send(paid.slice(0, 1));
  expect(await counts()).toEqual({ ...WELL, accepted: 5, stored: 0, duplicate: 0, bad: 5 });
  const { output } = await bad('reasons');
  expect(output).toContain(
    '4  schema_invalid  default  Paid\n  Paid/1.json: /properties/price must be of type number\n',
  );
  expect(output).toContain('1  id_missing  default  Paid\n');
  const [one] = await badOf('/api/v1/bad?code=id_missing');
  expect((await bad('show', String(one?.id))).output).toBe(
    '{"type":"track","event":"Paid","timestamp":"2026-11-25T10:00:00Z","messageId":"m4","properties":{"n":4,"price":4}}',
  );
});

test('what is still bad is refused, or set aside again with the one it came from', async () => {
  const dry = await bad('replay', '--all', '--dry-run');
  expect([dry.code, dry.output]).toEqual([1, expect.stringContaining('4 events would be put back, 1 passed over.')]);
  const [missing] = await badOf('/api/v1/bad?code=id_missing');
  const refused = await bad('replay', String(missing?.id));
  expect([refused.code, refused.errors]).toEqual([2, expect.stringContaining('still_bad: id_missing')]);
  const [newest] = await badOf('/api/v1/bad?code=schema_invalid');
  expect((await bad('replay', String(newest?.id))).code).toBe(0);
  expect(await counts()).toEqual({ ...WELL, accepted: 6, stored: 0, duplicate: 0, bad: 6 });
  const [again] = await badOf();
  expect(again).toMatchObject({ code: 'schema_invalid', replayOf: newest?.id, replay: null });
  expect((await badOf('/api/v1/bad?replayed=only')).map(({ id }) => id)).toEqual([newest?.id]);
});

test('once the schema is mended, all of a kind go back, and a retry that was set aside too is a duplicate', async () => {
  writeSchema(['number', 'string']);
  const looked = Date.now() + 1_100;
  while (Date.now() < looked) await new Promise((resolve) => setTimeout(resolve, 50));
  const all = await bad('replay', '--all', '--code', 'schema_invalid', '--type', 'Paid');
  expect([all.code, all.output]).toEqual([0, '4 events put back.\n']);
  expect(await counts()).toEqual({ ...WELL, accepted: 10, stored: 3, duplicate: 1, bad: 6 });
  expect((await bad('replay', '--all', '--code', 'schema_invalid')).output).toBe('0 events put back.\n');
  const events = (await everyEvent(server)) as unknown as readonly Record<string, unknown>[];
  expect(events.map(({ eventId }) => eventId).sort()).toEqual(['m1', 'm2', 'm3']);
  expect(events.every(({ replayOf }) => typeof replayOf === 'string')).toBe(true);
});

test('one that is edited twice, at once and after a kill, is stored once, as the first edit says', async () => {
  const [missing] = await badOf('/api/v1/bad?code=id_missing');
  const id = String(missing?.id);
  const edit = (anonymousId: string) => ({ event: { ...JSON.parse(missing?.payload ?? ''), anonymousId } });
  const answers = await Promise.all(['grace', 'linus', 'ada'].map((who) => post(id, edit(who))));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(new Set(answers.map(({ body }) => body.edit)).size).toBe(1);
  const { duplicate: before } = await counts();
  await server.kill();
  server = await start();
  const late = await post(id, edit('somebody else'));
  expect(late).toMatchObject({ status: 200, body: { edit: answers[0]?.body.edit, appended: false } });
  writeFileSync(file('edit.json'), JSON.stringify(edit('yet another').event));
  const command = await bad('replay', id, '--edit', file('edit.json'));
  expect([command.code, command.output]).toEqual([0, expect.stringContaining('was put back before edited')]);
  const after = await counts();
  expect(after).toMatchObject({ ...WELL, stored: 4, bad: 6, duplicate: before });
  const events = (await everyEvent(server)) as unknown as readonly Record<string, unknown>[];
  expect(events.filter(({ eventId }) => eventId === 'm4')).toHaveLength(1);
}, 60_000);

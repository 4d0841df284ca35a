import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { JsonObject } from '../../core/json.ts';
import { receiptCommand } from './receipt.ts';

const NOTHING = { stored: 0, duplicate: 0, bad: 0, dead: 0, forgotten: 0, lost: 0, pending: 0, notStored: [] };
const told = (part: JsonObject): JsonObject => {
  return { id: 'r', state: 'done', receivedAt: '2026-11-25T10:00:00.000Z', events: 2, ...NOTHING, ...part };
};

let server: Server;
/** One after the other; the last one stays. */
let answers: readonly JsonObject[];
let asked: string[];
beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.end(JSON.stringify(answers[Math.min(asked.length, answers.length) - 1]));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  process.exitCode = undefined;
  vi.restoreAllMocks();
  server.closeAllConnections();
  server.close();
});

async function run(...words: readonly string[]) {
  let out = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await receiptCommand().parseAsync(['--url', url, ...words], { from: 'user' });
  return { out, code: process.exitCode };
}

test.each([
  [{ stored: 2 }, 0],
  [{ stored: 1, duplicate: 1 }, 0],
  [{ stored: 1, bad: 1 }, 1],
  [{ stored: 1, dead: 1 }, 1],
  [{ stored: 1, forgotten: 1 }, 1],
  [{ stored: 1, lost: 1 }, 1],
  [{ state: 'pending', stored: 1, pending: 1 }, 1],
])('%j ends with %i', async (part, code) => {
  answers = [told(part)];
  expect((await run('a.b:c~d')).code).toBe(code);
  expect(asked).toEqual(['/api/v1/receipts/a.b%3Ac~d?wait=0']);
});

test('waits longer than one answer of the server may, and no longer than it was told', async () => {
  const pending = told({ state: 'pending', pending: 2 });
  answers = [pending, pending, told({ stored: 2 })];
  const { out, code } = await run('r', '--wait', '1m', '--json');
  expect([code, JSON.parse(out)]).toEqual([0, answers[2]]);
  expect(asked).toEqual(Array.from({ length: 3 }, () => '/api/v1/receipts/r?wait=20'));
  asked = [];
  answers = [pending];
  expect((await run('r', '--wait', '300ms')).code).toBe(1);
  expect(asked[0]).toBe('/api/v1/receipts/r?wait=1');
});

test('what trackers sent does not steer the terminal', async () => {
  const place = { lane: 'local', sequence: '7' };
  const bad = { outcome: 'bad', ...place, index: 0, id: 'x', code: 'type_invalid', detail: 'got "\u001b[2J"' };
  answers = [told({ bad: 2, notStored: [bad, { outcome: 'lost', ...place, events: 1 }] })];
  const { out } = await run('r');
  expect(out).toContain('bad  type_invalid  local/7/0  x\n  got "\ufffd[2J"\nlost  local/7\n');
});

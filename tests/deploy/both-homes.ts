/** One recorded input, through the deployed stack and through `clickstream serve`, read back through the API of both. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startServer } from '../end-to-end/running-server.ts';
import { type Ask, before, compare, type Home, PARTS } from '../homes/comparison.ts';
import { type Answered, play, type RecordedInput, recordedInput } from '../homes/recorded-input.ts';
import type { Scene } from './scenes.ts';
import type { Access } from './tracker.ts';

const DAY_MS = 86_400_000;
const PROCESSED_WITHIN_MS = 60_000;
const FOLLOWS_WITHIN_MS = 10_000;
/** Clocks of one machine, read in other processes. */
const CLOCKS_APART_MS = 1_000;

export const BOTH_HOMES: Scene = {
  title: 'both homes agree: one recorded input, deployed and on one machine, gives the same answers',
  play: async ({ access, emulator }) => {
    // Other scenes' events are of these hours: no range that is asked for here holds them.
    const startMs = Math.floor(Date.now() / DAY_MS - 20) * DAY_MS + 9 * 3_600_000;
    const input = recordedInput({ startMs, nowMs: Date.now() });
    const folder = mkdtempSync(join(tmpdir(), 'clickstream-homes-'));
    // Requests without the right key are part of the input, so both have the same one.
    const config = join(folder, 'clickstream.json');
    const digest = (key: string) => hash('sha256', key, 'hex');
    const keys = {
      sources: { default: { writeKeys: [digest(access.writeKey)] } },
      readTokens: [digest(access.readToken)],
    };
    writeFileSync(config, JSON.stringify(keys));
    const server = await startServer({ data: join(folder, 'data'), options: ['--config', config] });
    try {
      const [deployed, local] = await Promise.all([
        played(input, { access, drained: () => emulator.drained() }),
        played(input, { access: { ...access, url: server.url }, drained: async () => {} }),
      ]);
      assert.deepEqual(deployed.answers, local.answers);
      return await agree(input, [deployed.home, local.home]);
    } finally {
      await server.kill();
      rmSync(folder, { recursive: true });
    }
  },
};

/** Plays the input to a home, and waits until it is processed there. */
async function played(
  input: RecordedInput,
  { access, drained }: { readonly access: Access; readonly drained: () => Promise<void> },
): Promise<{ readonly home: Home; readonly answers: readonly Answered[] }> {
  const ask = asking(access);
  const standing = await before(ask);
  const from = Date.now() - CLOCKS_APART_MS;
  const { answers, receipts } = await play(input.requests, access);
  const to = Date.now() + CLOCKS_APART_MS;
  await drained();
  for (const end = Date.now() + PROCESSED_WITHIN_MS; Date.now() < end; await sleep(200)) {
    const { waiting } = (await ask('audit')) as { readonly waiting: readonly string[] };
    if (waiting.length === 0) return { home: { ask, before: standing, receipts, arrived: { from, to } }, answers };
  }
  throw new Error(`${access.url} did not process what it took within ${PROCESSED_WITHIN_MS} ms`);
}

function asking({ url, readToken }: Access): Ask {
  return async (path, parameters = {}) => {
    const asked = `${url}/api/v1/${path}?${new URLSearchParams(parameters)}`;
    const response = await fetch(asked, { headers: { Authorization: `Bearer ${readToken}` } });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`GET ${asked} answered ${response.status}: ${text}`);
    return JSON.parse(text) as unknown;
  };
}

async function agree(input: RecordedInput, homes: readonly [Home, Home]): Promise<string> {
  let questions = 0;
  let answers = 0;
  const differences: string[] = [];
  // Rows of views may follow their events, which reads see at once, a moment later.
  const end = Date.now() + FOLLOWS_WITHIN_MS;
  for (const part of Object.keys(PARTS)) {
    let compared = await compare(part, { input, homes });
    while (compared.differences.length > 0 && Date.now() < end) {
      await sleep(1_000);
      compared = await compare(part, { input, homes });
    }
    questions += compared.questions;
    answers += compared.answers;
    differences.push(...compared.differences);
  }
  if (differences.length > 0) {
    const firstOfParts = new Map(differences.toReversed().map((difference) => [difference.split(',')[0], difference]));
    const named = [...firstOfParts.values()].toReversed().join('; ');
    throw new Error(`${differences.length} differences in ${questions} comparisons, deployed against local: ${named}`);
  }
  const { accepted, stored, duplicate, bad } = input.counted;
  return (
    `${input.requests.length} requests with ${accepted} events (${stored} stored, ${duplicate} duplicates, ${bad} bad) of ${input.who.length} ids to each home: ` +
    `all answered the same; ${questions} comparisons of ${answers} rows, events and counts: no difference`
  );
}

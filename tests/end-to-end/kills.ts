/**
 * `kill -9` at random moments under load, many times over one data folder: nothing acknowledged may be lost, nothing
 * stored twice, and every count must equal a recount of the senders' own lists. The load is a sender of our own, which
 * knows what it sent, and an unmodified @segment/analytics-node, which goes on over all kills and tries again by itself.
 *
 *   node tests/end-to-end/kills.ts [--kills 100] [--seed 1]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { LIMITS } from '../../src/core/limits.ts';
import { Random } from '../../src/main/load/random.ts';
import { freePort } from '../../src/main/prove/free-port.ts';
import { countProblems, type Sent as SentEvent } from '../count-problems.ts';
import { seededRandom } from '../random.ts';
import type { Row } from '../recount.ts';
import { RealTracker } from './real-tracker.ts';
import { everyEvent, get, type ListedEvent, type RunningServer, settledAudit, startServer } from './running-server.ts';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' } },
});
const kills = Number(values.kills);
const random = seededRandom(Number(values.seed));
const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));

interface Sent extends SentEvent {
  readonly body: string;
  acknowledged: boolean;
}

const CONNECTIONS = 24;
const FIRST_TAKEN_MS_MAX = 30_000;
const PAGES = ['/', '/pricing', '/docs', '/blog/losing-nothing'];
const sent = new Map<string, Sent>();
/** Sent, but cut off before an answer: half of them are sent again, as trackers do. */
let unanswered: string[] = [];
let retried = 0;

function compose(connection: number): string {
  const eventId = `m${sent.size}`;
  const anonymousId = `visitor-${connection}-${between(0, 20)}`;
  const userId = random() < 0.2 ? `user-${connection}` : undefined;
  const timestamp = new Date(Date.now() - (random() < 0.1 ? between(0, 7_200_000) : 0)).toISOString();
  const isPage = random() < 0.6;
  const properties: { readonly [name: string]: unknown } = isPage ? { path: PAGES[between(0, 3)] } : { plan: 'free' };
  const eventType = isPage ? 'page' : 'Signed Up';
  const call = isPage ? { type: 'page' } : { type: 'track', event: eventType };
  // sentAt far ahead of nothing: with none, the event is dated by its own time, and the recount needs no clock but the sender's.
  const body = JSON.stringify({ ...call, messageId: eventId, anonymousId, userId, timestamp, properties });
  sent.set(eventId, { body, eventType, anonymousId, userId, timestamp, properties, acknowledged: false });
  return eventId;
}

function post(agent: Agent, url: string, eventIds: readonly string[]): Promise<number> {
  const bodies = eventIds.map((eventId) => sent.get(eventId)?.body ?? '');
  const body = `{"batch":[${bodies.join()}]}`;
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const call = request(`${url}/v1/batch`, { method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
      response.on('error', reject);
    });
    call.on('error', reject);
    call.end(body);
  });
}

interface Life {
  /** Requests in flight at the kill. */
  readonly flying: number;
  /** How many requests were acknowledged before. */
  readonly acknowledged: number;
}

/**
 * One life of the server: load on every connection, then the kill. Half of the lives are counted from the first acknowledgement on: on
 * a busy machine those that are shorter than a start, and the first batch of what waits, would take in nothing for ever.
 */
async function life(server: RunningServer): Promise<Life> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const again = unanswered.filter(() => random() < 0.5);
  unanswered = [];
  let [inFlight, acknowledged] = [0, 0];
  let over = false;
  const { promise: firstTaken, resolve: taken } = Promise.withResolvers<void>();
  const connection = async (number: number) => {
    while (!over) {
      const eventIds =
        again.length > 0 ? again.splice(0, 10) : Array.from({ length: between(1, 4) }, () => compose(number));
      if (eventIds.some((eventId) => (sent.get(eventId)?.acknowledged ?? false) === false) && again.length > 0)
        retried += 1;
      inFlight += 1;
      try {
        const status = await post(agent, server.url, eventIds);
        inFlight -= 1;
        // What waits is too much for now: its sender keeps it, and tries again.
        if (status === 503) {
          unanswered.push(...eventIds);
          await sleep(LIMITS.retryAfterSeconds * 1_000);
          continue;
        }
        if (status !== 200) throw new Error(`answered ${status}`);
        for (const eventId of eventIds) acknowledge(eventId);
        acknowledged += 1;
        taken();
        // Now and then an acknowledged request is repeated: a duplicate, which must count once.
        if (random() < 0.05) await post(agent, server.url, eventIds);
      } catch (thrown) {
        if (!over) throw thrown;
        unanswered.push(...eventIds.filter((eventId) => sent.get(eventId)?.acknowledged === false));
      }
    }
  };
  const connections = Array.from({ length: CONNECTIONS }, (_, number) => connection(number));
  const failed = Promise.all(connections);
  if (random() < 0.5) await Promise.race([firstTaken, sleep(FIRST_TAKEN_MS_MAX), failed]);
  await Promise.race([sleep(between(30, 500)), failed]);
  const flying = inFlight;
  over = true;
  await server.kill();
  await failed;
  agent.destroy();
  return { flying, acknowledged };
}

function acknowledge(eventId: string): void {
  const event = sent.get(eventId);
  if (event !== undefined) event.acknowledged = true;
}

function check(stored: readonly ListedEvent[]): string[] {
  const problems: string[] = [];
  const copies = new Map<string, number>();
  for (const { eventId } of stored) copies.set(eventId, (copies.get(eventId) ?? 0) + 1);
  for (const [eventId, count] of copies) {
    if (count > 1) problems.push(`doubled: ${eventId} is stored ${count} times`);
    if (sentEvent(eventId) === undefined) problems.push(`made up: ${eventId} was never sent`);
  }
  for (const [eventId, { acknowledged }] of [...sent, ...tracker.events]) {
    if (acknowledged && !copies.has(eventId)) problems.push(`lost: ${eventId} was acknowledged and is not stored`);
  }
  return problems;
}

function byPosition({ position: a }: ListedEvent, { position: b }: ListedEvent): number {
  return Number(BigInt(a.sequence) - BigInt(b.sequence)) || a.index - b.index;
}

function sentEvent(eventId: string): SentEvent | undefined {
  return sent.get(eventId) ?? tracker.events.get(eventId);
}

/**
 * What the tracker sends has a `sentAt`, by which the product moves its time by as much as the request took; it must be
 * near what was sent, and counts are held against it.
 */
function dated(event: SentEvent, { eventId, timestamp }: ListedEvent): SentEvent {
  return tracker.events.has(eventId) ? { ...event, timestamp } : event;
}

const CORRECTED_MS_MAX = 5_000;

function datingProblems(stored: readonly ListedEvent[]): string[] {
  return stored.flatMap(({ eventId, timestamp }) => {
    const event = tracker.events.get(eventId);
    const movedMs = event === undefined ? 0 : Math.abs(Date.parse(timestamp) - Date.parse(event.timestamp));
    return movedMs <= CORRECTED_MS_MAX ? [] : [`dated: ${eventId} ${movedMs} ms from what was sent`];
  });
}

/** Sessions and counters against a recount, of the senders' lists, of those events that are stored. */
function checkCounters(server: RunningServer, stored: readonly ListedEvent[]): Promise<readonly string[]> {
  const events = [...stored].sort(byPosition).flatMap((listed) => {
    const event = sentEvent(listed.eventId);
    return event === undefined ? [] : [{ sent: dated(event, listed), session: listed.facts.session }];
  });
  const times = events.map(({ sent: { timestamp } }) => timestamp).sort();
  const from = new Date(Date.parse(times[0] ?? '') - 60_000).toISOString();
  const to = new Date(Date.parse(times.at(-1) ?? '') + 60_000).toISOString();
  const stats = async (parameters: Readonly<Record<string, string>>) => {
    const { rows } = await get<{ readonly rows: readonly Row[] }>(
      server,
      `/api/v1/stats?${new URLSearchParams(parameters)}`,
    );
    return rows;
  };
  return countProblems({ stored: events, from, to, stats });
}

const data = mkdtempSync(join(tmpdir(), 'clickstream-kills-'));
const port = await freePort(new Random(Number(values.seed)));
const tracker = new RealTracker(`http://127.0.0.1:${port}`, Number(values.seed));
let [withFlying, withAcknowledged] = [0, 0];
for (let kill = 1; kill <= kills; kill += 1) {
  const { flying, acknowledged } = await life(await startServer({ data, port }));
  if (flying > 0) withFlying += 1;
  if (acknowledged > 0) withAcknowledged += 1;
  if (kill % 10 === 0) {
    const events = [...sent.values()].filter((event) => event.acknowledged).length;
    process.stdout.write(`kill ${kill}/${kills}: ${flying} requests in flight; ${events} events acknowledged so far\n`);
  }
}
const server = await startServer({ data, port });
await tracker.end();
const audit = await settledAudit(server);
const stored = await everyEvent(server);
const problems = [
  ...check(stored),
  ...datingProblems(stored),
  ...(await checkCounters(server, stored)),
  ...audit.problems.map(({ kind, detail }) => `audit: ${kind}: ${detail}`),
];
if (!audit.balanced) problems.push(`audit: not balanced: ${JSON.stringify(audit)}`);
await server.stop();
rmSync(data, { recursive: true });

const acknowledgedOf = (events: Iterable<{ readonly acknowledged: boolean }>) =>
  [...events].filter((event) => event.acknowledged).length;
const acknowledged = acknowledgedOf(sent.values());
const tracked = acknowledgedOf(tracker.events.values());
const lost = problems.filter((problem) => problem.startsWith('lost')).length;
const doubled = problems.filter((problem) => problem.startsWith('doubled')).length;
for (const problem of problems.slice(0, 20)) process.stdout.write(`${problem}\n`);
process.stdout.write(
  `${kills} kills (seed ${values.seed}), ${withFlying} with requests in flight, ${withAcknowledged} after some were acknowledged: ${sent.size} events sent, ${acknowledged} acknowledged; ` +
    `of the tracker ${tracker.events.size} sent, ${tracked} acknowledged, ${tracker.retried} requests tried again; ` +
    `${stored.length} stored, ${audit.duplicate} duplicates, ${retried} requests sent again after a cut; lost ${lost}, doubled ${doubled}, ${problems.length} problems\n`,
);
if (
  problems.length > 0 ||
  withFlying < kills * 0.9 ||
  withAcknowledged < kills * 0.4 ||
  tracked === 0 ||
  tracker.retried === 0
)
  process.exitCode = 1;

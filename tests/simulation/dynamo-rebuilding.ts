/** Histories of rebuilds that are asked for amid traffic, each drawn from its seed. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { DynamoEventReader } from '../../src/adapters/aws/dynamo-event-reader.ts';
import { DynamoEventStore } from '../../src/adapters/aws/dynamo-event-store.ts';
import type { View } from '../../src/core/view.ts';
import { TOTAL } from '../../src/process/views/dimensions.ts';
import { propertiesSeen } from '../../src/process/views/properties-seen.ts';
import { VIEWS } from '../../src/process/views/registry.ts';
import { sessions, sessionTables } from '../../src/process/views/sessions.ts';
import { traffic, trafficTables } from '../../src/process/views/traffic.ts';
import type { EventReader, Row, StoredEvent } from '../../src/store/event-store.ts';
import { updatesOf } from '../../src/store/row-updates.ts';
import { seededRandom } from '../random.ts';
import { anyHistory, anyHistoryWithoutErasure } from './any-history.ts';
import { drawLanes, FOLDS, playOnDynamo, TABLES } from './dynamo-protocol.ts';
import type { MemoryDynamo } from './memory-dynamo.ts';
import { merged } from './merged-rows.ts';

const START_MS = Date.parse('2026-11-24T00:00:00.000Z');
/** Events of then are expiring: rows are kept, and nothing is folded anew. */
const LATE_START_MS = Date.parse('2030-01-01T00:00:00.000Z');
/** Longer than rows of before are kept for the questions under way. */
const POLL_MS = 120_000;

/** What happened in a history, to see that it is worth something. */
export interface RebuildingSeen {
  asked: number;
  polls: number;
  /** Polls while a rebuild was under way. */
  amid: number;
}

/**
 * Plays records as `playOnDynamo` does, while two at once ask for rebuilds and go on with them, and a reader asks how many events
 * were counted: never fewer than there were when it began, nor more than there are when it ends. In the end every view says what
 * the stored events say. An erasure leaves rows as they are until they are folded anew: then only the last of it holds.
 */
export async function problemsOfRebuilding(
  seed: number,
  seen: RebuildingSeen = { asked: 0, polls: 0, amid: 0 },
): Promise<readonly string[]> {
  const random = seededRandom(seed);
  const below = (bound: number) => Math.floor(random() * bound);
  const hasErasures = random() < 0.2;
  const [records = []] = fc.sample(hasErasures ? anyHistory : anyHistoryWithoutErasure, { seed, numRuns: 1 });
  const problems: string[] = [];
  let attempts = 0;
  // What an erasure took is still counted by rows that are kept.
  let nowMs = !hasErasures && random() < 0.3 ? LATE_START_MS : START_MS;
  const storeOn = ({ client }: MemoryDynamo) =>
    new DynamoEventStore({
      ...{ client, tables: TABLES, folds: FOLDS, clock: () => nowMs, erasureDelayMs: 1e13 },
      attempt: () => {
        attempts += 1;
        return `rebuild-${attempts}`;
      },
    });
  const drawnView = () => VIEWS[below(VIEWS.length)] ?? traffic;

  const maintain = async (dynamo: MemoryDynamo, isOver: () => boolean) => {
    while (!isOver()) {
      const store = storeOn(dynamo);
      const view = drawnView();
      try {
        if (random() < 0.2) {
          await store.askRebuild(view);
          seen.asked += 1;
        } else await store.rebuild(view, 1 + below(8));
      } catch {
        // The next one goes on with what this one left.
      }
      await dynamo.faults.turn();
    }
  };
  const poll = async (dynamo: MemoryDynamo, isOver: () => boolean) => {
    const reader = new DynamoEventReader({ client: dynamo.client, tables: TABLES });
    while (!isOver()) {
      try {
        const said = await reader.snapshot(async (reads) => {
          const { events } = await reads.totals();
          const rows = await reads.rows({ view: traffic.name, from: '', to: '~' });
          return { events, counted: countedIn(rows), rebuilds: await reads.rebuilds() };
        });
        const { events: after } = await reader.snapshot((reads) => reads.totals());
        seen.polls += 1;
        if (said.rebuilds.some(({ view, state }) => view === traffic.name && state === 'folding')) seen.amid += 1;
        if (!hasErasures && (said.counted < said.events || said.counted > after))
          problems.push(`${said.counted} counted, of ${said.events} before and ${after} after`);
      } catch {
        // Throttled too often.
      }
      // Only now that no question is under way.
      nowMs += POLL_MS;
      await dynamo.faults.turn();
    }
  };
  const dynamo = await playOnDynamo(drawLanes(records, random), random, async (played, isOver) => {
    await Promise.all([maintain(played, isOver), maintain(played, isOver), poll(played, isOver)]);
  });

  const store = storeOn(dynamo);
  const reader = new DynamoEventReader({ client: dynamo.client, tables: TABLES });
  const finish = async () => {
    for (const view of VIEWS) for (let steps = 0; !(await store.rebuild(view, 50)) && steps < 500; steps += 1);
  };
  await finish();
  if (!hasErasures) problems.push(...(await differing(reader, 'when all is done')));
  for (const view of VIEWS) await store.askRebuild(view);
  await finish();
  problems.push(...(await differing(reader, 'after one more')));
  return problems;
}

/** Of the rows of minutes, which say it once, bots apart. */
function countedIn(rows: readonly Row[]): number {
  return rows
    .filter(({ key }) => key.bucket.includes('minute/'))
    .flatMap(({ text }) => [...trafficTables.values(trafficTables.decode(text), TOTAL).values()])
    .reduce((sum, { events }) => sum + events, 0);
}

async function differing(reader: EventReader, when: string): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const view of VIEWS) {
    const { rows, events } = await reader.snapshot(async (reads) => ({
      rows: await reads.rows({ view: view.name, from: '', to: '~' }),
      events: await reads.events({ order: 'asc', limit: 10_000 }),
    }));
    if (!isDeepStrictEqual(mergedOf(view, rows), mergedOf(view, recounted(view, events))))
      problems.push(`${view.name} is not what the events say ${when}`);
  }
  return problems;
}

function recounted(view: View, events: readonly StoredEvent[]): readonly Pick<Row, 'key' | 'text'>[] {
  const inOrder = [...events].sort((a, b) => Number(a.position.sequence - b.position.sequence));
  return updatesOf(view, inOrder, () => 'recount').map(({ key, deltas }) => ({
    key,
    text: view.encode(view.absorb(view.empty(), deltas, key.bucket)),
  }));
}

function mergedOf(view: View, found: readonly Pick<Row, 'key' | 'text'>[]): ReadonlyMap<string, string> {
  // What is no row yet may say more than its bucket is about.
  const rows = found.map(({ key, text }) => ({
    key,
    text: view.encode(view.absorb(view.empty(), [view.decode(text)], key.bucket)),
  }));
  if (view.name === traffic.name) return merged(trafficTables, rows);
  if (view.name === sessions.name) return merged(sessionTables, rows);
  const states = new Map<string, ReturnType<typeof propertiesSeen.empty>>();
  for (const { key, text } of rows) {
    const name = `${key.source} ${key.bucket}`;
    const state = states.get(name) ?? propertiesSeen.empty();
    states.set(name, propertiesSeen.merge(state, propertiesSeen.decode(text)));
  }
  return new Map([...states].map(([name, state]) => [name, propertiesSeen.encode(state)]));
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openEventLog } from '../../src/adapters/embedded/event-log.ts';
import { openEventReader } from '../../src/adapters/embedded/event-reader.ts';
import { openEventStore } from '../../src/adapters/embedded/event-store.ts';
import { LogProgress } from '../../src/adapters/embedded/log-progress.ts';
import { readRecords } from '../../src/adapters/embedded/log-reader.ts';
import { Accept } from '../../src/collect/accept.ts';
import { Numbering } from '../../src/collect/numbering.ts';
import { segment } from '../../src/collect/protocols/segment.ts';
import { ClickstreamError } from '../../src/core/errors.ts';
import { LIMITS } from '../../src/core/limits.ts';
import type { EventLog, LaneRecord } from '../../src/log/event-log.ts';
import { decodeRecord } from '../../src/log/record.ts';
import { answer, processBatch } from '../../src/pipeline.ts';
import { MemoryEventLog } from '../contracts/memory-event-log.ts';
import { seededRandom } from '../random.ts';
import { FaultFiles } from './fault-files.ts';
import { LOG_FOLDER } from './log-simulation.ts';

const START_MS = Date.parse('2026-11-23T12:00:00.000Z');
/** One each second; the more, the longer the outage. */
const REFUSED = 300;
const VISITORS = 100;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clickstream-outage-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A server that sends batches of many visitors, one a second, and keeps nothing. */
class Sender {
  readonly numbering = new Numbering('collector');
  acknowledged = 0;
  readonly #accept: Accept;
  #nowMs = START_MS;

  constructor(log: EventLog) {
    this.#accept = new Accept({ log, numbering: this.numbering });
  }

  /** Resolves to the code of what it was refused with. */
  async send(visitors: number): Promise<string | undefined> {
    this.#nowMs += 1_000;
    const receivedAt = this.#nowMs;
    const batch = Array.from({ length: visitors }, (_, index) => ({
      ...{ type: 'track', event: 'E', messageId: `${receivedAt}-${index}`, userId: `u${index}` },
    }));
    const body = Buffer.from(JSON.stringify({ batch }));
    const mapped = segment.map({ method: 'POST', path: '/v1/batch', query: '', headers: {}, body, receivedAt });
    if (mapped.kind !== 'events') throw new Error(`a batch was ${mapped.kind}`);
    try {
      await this.#accept.accept(mapped, { source: 'default', receivedAt });
      this.acknowledged += visitors;
      return undefined;
    } catch (thrown) {
      if (!(thrown instanceof ClickstreamError)) throw thrown;
      return thrown.code;
    }
  }
}

/** What the product says of itself once all of this is processed. */
async function audited(lane: string, records: readonly LaneRecord[]): Promise<unknown> {
  const store = openEventStore({ folder });
  const reader = openEventReader({ folder });
  try {
    for (let at = 0; at < records.length; at += 500) {
      await processBatch({ lane, records: records.slice(at, at + 500) }, store);
    }
    const fail = (fault: unknown) => {
      throw fault;
    };
    const log = async () => ({ records: [], findings: [] });
    const question = { path: '/api/v1/audit', parameters: { deep: 'true' } };
    const { status, body } = await answer(question, { reader, clock: () => START_MS, log, report: fail });
    expect(status).toBe(200);
    return JSON.parse(body);
  } finally {
    await reader.close();
    await store.close();
  }
}

test('a disk that is full for long: only what was under way is void, and the first record after it says so', async () => {
  const files = new FaultFiles(seededRandom(1));
  const progress = new LogProgress();
  let probe: (() => void) | undefined;
  const log = await openEventLog({
    folder: LOG_FOLDER,
    files,
    clock: () => START_MS,
    timer: (_, run) => {
      probe = run;
      return () => undefined;
    },
    limits: { segmentBytes: 256 * 1_024, unprocessedBytesMax: Number.POSITIVE_INFINITY },
    atLeast: -1n,
    progress,
    onFinding: (finding) => {
      throw new Error(finding.kind);
    },
  });
  const sender = new Sender(log);
  const { numbering } = sender;
  expect(await sender.send(VISITORS)).toBeUndefined();

  files.faults.capacityBytes = files.bytes;
  let refused = await sender.send(VISITORS);
  while (refused === undefined) refused = await sender.send(VISITORS);
  for (let more = 0; more < REFUSED; more += 1) {
    expect(await sender.send(VISITORS)).toBe('log_unavailable');
    if (more % 100 === 0) probe?.();
  }
  expect(numbering.voidsWaiting).toBe(VISITORS);
  const [firstVoid = -1] = numbering.take(0).voids;

  files.faults.capacityBytes = Number.POSITIVE_INFINITY;
  probe?.();
  await expect.poll(() => log.refusal()).toBeUndefined();
  expect(await sender.send(1)).toBeUndefined();
  expect(numbering.voidsWaiting).toBe(0);
  const records = [...readRecords({ folder: LOG_FOLDER, files, progress, after: -1n, onFinding: () => undefined })];
  const { number, ackedThrough, voids } = decodeRecord(records.at(-1)?.data ?? Buffer.alloc(0)).header;
  expect(voids).toEqual(Array.from({ length: VISITORS }, (_, index) => firstVoid + index));
  expect([number, ackedThrough]).toEqual([firstVoid + VISITORS, firstVoid + VISITORS - 1]);
  expect(numbering.witnessed.number).toBe(number);
  expect(await audited('local', records)).toMatchObject({
    ...{ balanced: true, accepted: sender.acknowledged, lost: 0, unresolved: 0, problems: [], notes: [] },
  });
  await log.close();
});

test('a stream that fails each try for long: every void is told in the end, and nothing is lost or unresolved', async () => {
  const log = new MemoryEventLog();
  const sender = new Sender(log);
  const { numbering } = sender;
  await sender.send(VISITORS);
  log.isBroken = true;
  for (let tries = 0; tries < REFUSED; tries += 1) expect(await sender.send(VISITORS)).toBe('log_unavailable');
  expect(numbering.voidsWaiting).toBe(REFUSED * VISITORS);

  log.isBroken = false;
  const records = log.lanes.get('lane-0') ?? [];
  let told = VISITORS - 1;
  while (numbering.voidsWaiting > 0) {
    expect(await sender.send(1)).toBeUndefined();
    const { ackedThrough, voids } = decodeRecord(records.at(-1)?.data ?? Buffer.alloc(0)).header;
    // Each goes on where the one before ended, and says that much of what is settled.
    expect(voids).toEqual(Array.from({ length: LIMITS.recordVoidsMax }, (_, index) => told + 1 + index));
    told += LIMITS.recordVoidsMax;
    expect(ackedThrough).toBeGreaterThanOrEqual(told);
  }
  expect(numbering.witnessed).toMatchObject({ number: numbering.take(0).first - 1 });
  expect(numbering.witnessed.counted.events).toBe(sender.acknowledged);
  expect(await audited('lane-0', records)).toMatchObject({
    ...{ balanced: true, accepted: sender.acknowledged, lost: 0, unresolved: 0, problems: [], notes: [] },
  });
});

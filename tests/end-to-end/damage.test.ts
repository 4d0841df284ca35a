import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EMBEDDED_LANE } from '../../src/adapters/embedded/event-log.ts';
import { openEventStore } from '../../src/adapters/embedded/event-store.ts';
import { addIdentities } from '../../src/core/identities.ts';
import { decodeRecord, type RecordHeader } from '../../src/log/record.ts';
import { clickstream } from './command.ts';
import { cutRecord, records, segmentOf } from './cut-record.ts';
import { killServers, type RunningServer, settledAudit, startServer } from './running-server.ts';

afterAll(killServers);

interface Verdict {
  readonly code: number;
  /** Everything it named. */
  readonly problems: string;
}

/** The problems that `load` finds with its list and `audit` with the ledger, after a start on this data. */
async function verdicts(data: string, ledger: string): Promise<{ readonly load: Verdict; readonly audit: Verdict }> {
  const server = await startServer({ data });
  try {
    const load = await clickstream(['load', '--url', server.url, '--check-only', ledger, '--json']);
    const audit = await clickstream(['audit', '--url', server.url, '--json']);
    const named = (output: string) => JSON.stringify((JSON.parse(output) as { readonly problems: unknown }).problems);
    return {
      load: { code: load.code, problems: named(load.output) },
      audit: { code: audit.code, problems: named(audit.output) },
    };
  } finally {
    await server.stop();
  }
}

describe('the store and the first segment taken away', () => {
  const data = mkdtempSync(join(tmpdir(), 'clickstream-gone-'));
  afterAll(() => rmSync(data, { recursive: true }));
  const send = async ({ url }: RunningServer, userId: string) => {
    const response = await fetch(`${url}/v1/track`, { method: 'POST', body: JSON.stringify({ event: 'E', userId }) });
    expect(response.status).toBe(200);
  };
  beforeAll(async () => {
    const first = await startServer({ data });
    await send(first, 'ada');
    await first.stop();
    await (await startServer({ data })).stop();
    for (const file of readdirSync(data)) if (file.startsWith('store.sqlite')) rmSync(join(data, file));
    rmSync(segmentOf(data));
  }, 30_000);

  test('a log whose last records cannot be read does not keep the server from stopping', async () => {
    expect(await (await startServer({ data })).stop()).toBe(0);
  });
  test('the audit does not balance, also when the gap is passed', async () => {
    const server = await startServer({ data });
    for (const userId of ['grace', 'linus']) await send(server, userId);
    const { balanced, stored, problems } = await settledAudit(server);
    expect({ balanced, stored }).toEqual({ balanced: false, stored: 2 });
    expect(problems).toEqual([expect.objectContaining({ kind: 'log_records_missing', sequence: '0' })]);
    expect(server.errors()).toContain('1 records lost, 0 to 0');
    expect(await server.stop()).toBe(0);
  });
});

describe('damage done by hand is named by the check of load and by audit', () => {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-damage-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  let copies = 0;
  const copyOf = (data: string) => {
    copies += 1;
    const copy = join(folder, `copy-${copies}`);
    cpSync(data, copy, { recursive: true });
    return copy;
  };

  describe('in a store that has processed everything', () => {
    const data = join(folder, 'processed');
    const ledger = join(folder, 'processed.jsonl');
    beforeAll(async () => {
      const server = await startServer({ data });
      const load = ['load', '--url', server.url, '--rate', '300/s', '--for', '2s', '--ledger', ledger];
      expect(await clickstream(load)).toMatchObject({ code: 0 });
      expect(await server.stop()).toBe(0);
    }, 60_000);
    /** Changes the store by SQL, at one event that it then tells: the newest, unless it is to be so many older. */
    const change = (copy: string, sql: string, { older = 0 } = {}) => {
      const database = new DatabaseSync(join(copy, 'store.sqlite'));
      const newest = database.prepare('SELECT id, sequence, body FROM events ORDER BY id DESC LIMIT 1 OFFSET ?');
      const row = newest.get(older);
      database.prepare(sql).run({ id: row?.id ?? null });
      database.close();
      const { eventId } = JSON.parse(String(row?.body)) as { readonly eventId: string };
      return { eventId, sequence: String(row?.sequence) };
    };

    test('nothing, when nothing was damaged', async () => {
      const { load, audit } = await verdicts(copyOf(data), ledger);
      expect({ load, audit }).toEqual({ load: { code: 0, problems: '[]' }, audit: { code: 0, problems: '[]' } });
    }, 60_000);
    test('one stored event deleted', async () => {
      const copy = copyOf(data);
      const { eventId, sequence } = change(copy, 'DELETE FROM events WHERE id = :id');
      const { load, audit } = await verdicts(copy, ledger);
      expect(load).toMatchObject({ code: 1, problems: expect.stringContaining(`missing: ${eventId}"`) });
      expect(audit).toMatchObject({
        code: 1,
        problems: expect.stringMatching(`event_missing.*"sequence":"${sequence}"`),
      });
    }, 60_000);
    test('one stored event deleted, of those whose records the ledger may have in its totals only', async () => {
      const copy = copyOf(data);
      const { eventId, sequence } = change(copy, 'DELETE FROM events WHERE id = :id', { older: 500 });
      const { load, audit } = await verdicts(copy, ledger);
      expect(load).toMatchObject({ code: 1, problems: expect.stringContaining(`missing: ${eventId}"`) });
      expect(audit).toMatchObject({
        code: 1,
        problems: expect.stringMatching(`event_missing.*"sequence":"${sequence}"|hour_differs.*"hour":"20`),
      });
    }, 60_000);
    test('one stored event doubled', async () => {
      const copy = copyOf(data);
      const columns =
        'lane, sequence, place, visitor, source, event_type, created_at, timestamp, received_at, hash, facts, body';
      const { eventId } = change(
        copy,
        `INSERT INTO events (${columns}, twin) SELECT ${columns}, 1 FROM events WHERE id = :id`,
      );
      const { load, audit } = await verdicts(copy, ledger);
      expect(load).toMatchObject({ code: 1, problems: expect.stringContaining(`doubled: ${eventId}"`) });
      expect(audit).toMatchObject({
        code: 1,
        problems: expect.stringMatching(`event_doubled.*"eventId":"${eventId}"`),
      });
    }, 60_000);
    test.each([
      ['one in the place of another', 0],
      ['one in the place of another, of those whose records the ledger may have in its totals only', 500],
    ])(
      'of two stored events %s',
      async (_, older) => {
        const copy = copyOf(data);
        const columns = 'visitor, source, event_type, created_at, timestamp, hash, facts, body, other_type';
        const { eventId } = change(
          copy,
          `UPDATE events SET (${columns}, twin) = (
           SELECT ${columns}, 1 FROM events AS other WHERE other.received_at < events.received_at ORDER BY other.id DESC LIMIT 1
         ) WHERE id = :id`,
          { older },
        );
        const { load, audit } = await verdicts(copy, ledger);
        expect(load).toMatchObject({ code: 1, problems: expect.stringContaining(`missing: ${eventId}"`) });
        // Every count is as it was.
        expect(audit).toMatchObject({ code: 1, problems: expect.stringContaining('identities_differ') });
        expect(audit.problems).not.toMatch(/event_missing|hour_differs|totals_differ/);
      },
      60_000,
    );
    test("the log's tail cut: nothing is lost, for it was processed, and the log says what it lacks", async () => {
      const copy = copyOf(data);
      const last = [...records(copy)].at(-1);
      truncateSync(segmentOf(copy), statSync(segmentOf(copy)).size - 40);
      const { load, audit } = await verdicts(copy, ledger);
      expect(load.problems).toContain('log_tail_missing');
      expect(audit.problems).not.toMatch(/\d records lost/);
      expect(audit).toMatchObject({ code: 1, problems: expect.stringContaining('log_tail_missing') });
      expect(namedIn(audit.problems, /copy of records (\d+) to (\d+) is gone/g, Number(last?.sequence))).toBe(true);
    }, 60_000);
  });

  describe('in a log whose end is not processed yet', () => {
    const data = join(folder, 'unprocessed');
    const ledger = join(folder, 'unprocessed.jsonl');
    beforeAll(async () => {
      const server = await startServer({ data });
      // While somebody else holds the store, the collector goes on and the processor waits.
      const holder = new DatabaseSync(join(data, 'store.sqlite'), { timeout: 5_000 });
      holder.exec('BEGIN IMMEDIATE');
      const load = ['load', '--url', server.url, '--rate', '50/s', '--for', '2s', '--no-check', '--ledger', ledger];
      expect(await clickstream(load)).toMatchObject({ code: 0 });
      await server.kill();
      holder.close();
    }, 60_000);

    test('nothing, when nothing was damaged', async () => {
      expect(records(data).length).toBeGreaterThan(50);
      const { load, audit } = await verdicts(copyOf(data), ledger);
      expect({ load, audit }).toEqual({ load: { code: 0, problems: '[]' }, audit: { code: 0, problems: '[]' } });
    }, 60_000);
    test('one record cut out of the middle', async () => {
      const copy = copyOf(data);
      const { sequence, header, eventId } = cutRecord(copy, 20);
      const { load, audit } = await verdicts(copy, ledger);
      expect(load).toMatchObject({ code: 1, problems: expect.stringContaining(`missing: ${eventId}"`) });
      expect(audit.code).toBe(1);
      expect(namesNumber(audit.problems, header)).toBe(true);
      expect(audit.problems).toMatch(/log_(corruption|records_missing)/);
      expect(namedIn(audit.problems, /records lost, (\d+) to (\d+)/g, Number(sequence))).toBe(true);
    }, 60_000);
    test('the tail cut, of which the collector had told the store', async () => {
      const copy = copyOf(data);
      const last = [...records(copy)].at(-1);
      if (last === undefined) throw new Error('the log is empty');
      const { header, lines } = decodeRecord(last.data);
      const { collector, number } = header;
      // What the collector does once a second, and could not while the store was held.
      const store = openEventStore({ folder: copy });
      const own = records(copy).map(({ data: bytes }) => decodeRecord(bytes).header);
      const counted = {
        events: own.reduce((sum, { count }) => sum + count, 0),
        identities: own.reduce((sum, { identities = Number.NaN }) => addIdentities(sum, identities), 0),
      };
      await store.witness({ collector, number, counted, lane: EMBEDDED_LANE, sequence: last.sequence });
      await store.close();
      cutRecord(copy, records(copy).length - 1);
      const { load, audit } = await verdicts(copy, ledger);
      const { eventId } = JSON.parse(lines[0] ?? '') as { readonly eventId: string };
      expect(load).toMatchObject({ code: 1, problems: expect.stringContaining(`missing: ${eventId}"`) });
      expect(audit.code).toBe(1);
      expect(namesNumber(audit.problems, header)).toBe(true);
      expect(audit.problems).toMatch(/of all that it acknowledged, [1-9]\d* events are missing/);
    }, 60_000);
  });
});

/** Whether a record is named as lost: alone, or in a range, for records that came in together lie in one group. */
function namesNumber(problems: string, { collector, number }: RecordHeader): boolean {
  return namedIn(problems, new RegExp(`numbers? (\\d+)(?: to (\\d+))? of collector ${collector}`, 'g'), number);
}

function namedIn(problems: string, range: RegExp, value: number): boolean {
  return [...problems.matchAll(range)].some(
    ([, first, last = first]) => Number(first) <= value && value <= Number(last),
  );
}

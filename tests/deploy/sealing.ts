/** The ledger that the schedule seals. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoTable, type Key } from '../../src/adapters/aws/dynamo-client.ts';
import {
  keyOf,
  rowPk,
  rowSk,
  SEALED_KEY,
  sequenceText,
  text,
  textOf,
  WITNESS_PK,
  witnessItem,
} from '../../src/adapters/aws/items.ts';
import { foldLedger, hourOf, LEDGER, ledgerBucket, ledgerRows } from '../../src/process/views/ledger.ts';
import { REGION } from './emulator.ts';
import { scheduleOf } from './schedules.ts';
import type { Stage } from './stage.ts';
import { type Audit, events } from './tracker.ts';

const DAYS_SILENT = 3;
const DAY_MS = 86_400_000;

/**
 * A collector of which nothing was heard for days, with the one record that it had, of no event: no scene can wait until one of its own is over.
 * Returns where its row and its witness lie, and the hour of its record.
 */
async function plantSettled(stage: Stage): Promise<{ readonly keys: readonly Key[]; readonly hour: string }> {
  const state = stateOf(stage);
  const atMs = Date.now() - DAYS_SILENT * DAY_MS;
  const hour = hourOf(new Date(atMs).toISOString());
  const { name: view, version } = LEDGER;
  const [source] = await skOf(state, keyOf('sources', view, version));
  const [lane] = await skOf(state, 'lane');
  assert.ok(source !== undefined && lane !== undefined);
  const collector = `silent-${randomUUID()}`;
  const header = { collector, number: 0, ackedThrough: 0, voids: [] };
  const entry = { sequence: 1n, hour, count: 0, stored: 0, duplicate: 0, bad: 0, dead: 0 };
  const row = ledgerRows.encode(foldLedger(ledgerRows.empty(), { header, arrivedAtMs: atMs }, entry));
  const key = { view, version, source, bucket: ledgerBucket(header), lane };
  const [pk, sk] = [rowPk(key), rowSk(key)];
  const value = { B: deflateRawSync(row) };
  await state.set({ pk: text(pk), sk: text(sk), sequence: text(sequenceText(1n)), value });
  await state.set(witnessItem({ collector, number: 0, lane, sequence: 1n, atMs }));
  return {
    keys: [
      { pk, sk },
      { pk: WITNESS_PK, sk: collector },
    ],
    hour,
  };
}

/** What failed, first, when the schedule was to seal and audit; undefined when it did. */
export async function notSealed(stage: Stage): Promise<string | undefined> {
  const { keys } = await plantSettled(stage);
  try {
    await (await scheduleOf(stage, 'query', 'audit')).invoke();
  } catch (thrown) {
    return String(thrown);
  }
  const left = await stateOf(stage).getAll(keys);
  return left.length === 0 ? undefined : `${left.length} of what is sealed are left`;
}

export const SEALING = {
  title: 'the scheduled audit seals the ledger: what is settled is in totals, and its rows and witnesses are gone',
  play: async (stage: Stage): Promise<string> => {
    const state = stateOf(stage);
    await stage.tracker.send(events(30, { scene: 'sealed' }));
    await stage.emulator.drained();
    const before = await auditOf(stage);
    const { keys, hour } = await plantSettled(stage);
    await (await scheduleOf(stage, 'query', 'audit')).invoke();
    assert.deepEqual(await state.getAll(keys), []);
    const sealed = await state.get(SEALED_KEY);
    assert.ok(sealed !== undefined, 'there are no totals');
    const after = await auditOf(stage);
    assert.ok(after.hours.some((cell) => cell.hour === hour));
    const { accepted, stored, lost } = after;
    assert.deepEqual([accepted, stored, lost], [before.accepted, before.stored, before.lost]);
    assert.deepEqual(after.problems, before.problems);
    return `totals of ${hour} and later, revision ${sealed.revision?.N}; accepted ${accepted} and stored ${stored} as before`;
  },
};

function auditOf({ tracker }: Stage): Promise<Audit> {
  return tracker.get<Audit>('/api/v1/audit?deep=true');
}

async function skOf(state: DynamoTable, pk: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const item of state.partition(pk)) found.push(textOf(item, 'sk'));
  return found;
}

function stateOf({ emulator, output }: Stage): DynamoTable {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new DynamoDBClient({ endpoint: emulator.endpoint, region: REGION, credentials });
  return new DynamoTable(client, output('StateTableName'));
}

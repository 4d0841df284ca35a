import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TableClient } from '../../src/adapters/aws/dynamo-client.ts';
import { DynamoSalts } from '../../src/adapters/aws/dynamo-salts.ts';
import { SALT_PK } from '../../src/adapters/aws/items.ts';
import { SaltFile } from '../../src/adapters/embedded/salt-file.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { type DynamoEmulator, startDynamo } from '../emulators/dynamo.ts';
import { type SaltPlace, saltsContract } from './salts.contract.ts';

const NOON = Date.parse('2026-11-25T12:00:00Z');

saltsContract({ name: 'a file', isShared: false, open: async (clock) => new FilePlace(clock) });

class FilePlace implements SaltPlace {
  readonly #folder = mkdtempSync(join(tmpdir(), 'clickstream-salts-'));
  readonly #path = join(this.#folder, 'salts.json');
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  collector(): SaltFile {
    return new SaltFile({ path: this.#path, clock: this.#clock, report: () => undefined });
  }

  async stored(): Promise<Buffer> {
    return Buffer.concat(readdirSync(this.#folder).map((name) => readFileSync(join(this.#folder, name))));
  }

  /** A folder lies where the new file would be written, whoever asks. */
  breakDown(): void {
    mkdirSync(`${this.#path}.new`);
  }

  mend(): void {
    rmSync(`${this.#path}.new`, { recursive: true });
  }

  async close(): Promise<void> {
    rmSync(this.#folder, { recursive: true });
  }
}

describe('the file of salts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-salt-file-'));
  const path = join(folder, 'salts.json');
  afterAll(() => rmSync(folder, { recursive: true }));
  const time = { nowMs: NOON };
  const faults: unknown[] = [];
  const open = () => new SaltFile({ path, clock: () => time.nowMs, report: (fault) => faults.push(fault) });

  test('is for its user alone, is not there before a salt is asked for, and goes with the last', async () => {
    const salts = open();
    expect(existsSync(path)).toBe(false);
    await salts.of('2026-11-25');
    if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['salts.json']);
    time.nowMs += 86_400_000;
    salts.forgetOld();
    expect(existsSync(path)).toBe(true);
    time.nowMs += 86_400_000;
    salts.forgetOld();
    expect(existsSync(path)).toBe(false);
    await expect(salts.of('2026-11-25')).rejects.toMatchObject({ code: 'salt_unavailable' });
  });

  test('forgets what is old when it is opened, and what a cut write left', async () => {
    time.nowMs = NOON;
    const old = Buffer.from(await open().of('2026-11-25')).toString('base64url');
    writeFileSync(`${path}.new`, readFileSync(path));
    time.nowMs += 2 * 86_400_000;
    await open().of('2026-11-27');
    expect(readdirSync(folder)).toEqual(['salts.json']);
    expect(readFileSync(path, 'utf8')).not.toContain(old);
  });

  test('of a clock that is set back a moment after midnight the new day is kept', async () => {
    time.nowMs = Date.parse('2026-11-28T00:00:00Z');
    const made = Buffer.from(await open().of('2026-11-28'));
    time.nowMs -= 1;
    const salts = open();
    await salts.of('2026-11-26');
    time.nowMs += 1;
    expect(Buffer.from(await salts.of('2026-11-28'))).toEqual(made);
  });

  test('of a clock that was days ahead is not kept until then', async () => {
    time.nowMs = Date.parse('2031-11-30T12:00:00Z');
    const ahead = Buffer.from(await open().of('2031-11-30')).toString('base64url');
    time.nowMs = Date.parse('2026-11-30T12:00:00Z');
    const salts = open();
    expect(existsSync(path)).toBe(false);
    await salts.of('2026-11-30');
    expect(readFileSync(path, 'utf8')).not.toContain(ahead);
  });

  test('that cannot be written is told once, and nothing of it to who asks', async () => {
    time.nowMs = Date.parse('2026-12-05T12:00:00Z');
    const salts = open();
    mkdirSync(`${path}.new`);
    for (let tries = 0; tries < 3; tries += 1) {
      const refused = await salts.of('2026-12-05').catch((thrown: Error) => thrown.message);
      expect(refused).not.toContain(folder);
    }
    expect(faults).toMatchObject([{ code: 'EISDIR' }]);
    rmSync(`${path}.new`, { recursive: true });
    await salts.of('2026-12-05');
  });

  test.each([
    ['no JSON', '{"salts":'],
    ['no salts', '{}'],
    ['a salt cut short', '{"salts":{"2026-11-25":"abc"}}'],
  ])('that holds %s is refused, for other salts would be other visitors', (_, text) => {
    writeFileSync(path, text);
    expect(open).toThrow(expect.objectContaining({ code: 'data_unusable' }));
  });
});

let emulator: DynamoEmulator;
beforeAll(async () => {
  emulator = await startDynamo();
});
afterAll(() => emulator.close());

class TablePlace implements SaltPlace {
  readonly table: string;
  readonly faults: unknown[] = [];
  isBroken = false;
  readonly #clock: () => number;
  readonly #client: TableClient = {
    send: ((command: never) => {
      if (this.isBroken) throw new Error('the account 123456789012 is away');
      return emulator.client.send(command);
    }) as TableClient['send'],
  };

  constructor(table: string, clock: () => number) {
    this.table = table;
    this.#clock = clock;
  }

  collector(): DynamoSalts {
    const report = (fault: unknown) => this.faults.push(fault);
    return new DynamoSalts({ client: this.#client, table: this.table, clock: this.#clock, report });
  }

  async stored(): Promise<Buffer> {
    const values = (await emulator.itemsOf(this.table)).flatMap((item) => Object.values(item));
    return Buffer.concat(values.map(({ B, S = '' }) => Buffer.from(B ?? S)));
  }

  breakDown(): void {
    this.isBroken = true;
  }

  mend(): void {
    this.isBroken = false;
  }

  async close(): Promise<void> {
    // The emulator's tables go with it.
  }
}

const openTable = async (clock: () => number) => new TablePlace((await emulator.newTables()).state, clock);
saltsContract({ name: 'DynamoDB', isShared: true, open: openTable });

describe('salts in DynamoDB', () => {
  test('are two items of one partition that take turns, and expire when their day is over twice', async () => {
    const time = { nowMs: NOON };
    const place = await openTable(() => time.nowMs);
    const salts = place.collector();
    for (let days = 0; days < 5; days += 1, time.nowMs += 86_400_000) {
      await salts.of(new Date(time.nowMs).toISOString().slice(0, 10));
    }
    const items = await emulator.itemsOf(place.table);
    expect(items.map(({ pk, day, expiresAt }) => [pk?.S, day?.S, Number(expiresAt?.N)]).sort()).toEqual([
      [SALT_PK, '2026-11-28', Date.parse('2026-11-30') / 1_000],
      [SALT_PK, '2026-11-29', Date.parse('2026-12-01') / 1_000],
    ]);
  });

  test('a collector whose clock is behind has none in the place of a later one', async () => {
    const time = { nowMs: NOON };
    const place = await openTable(() => time.nowMs);
    const clock = () => NOON + 86_400_000;
    const ahead = new DynamoSalts({ client: emulator.client, table: place.table, clock, report: () => undefined });
    const later = await ahead.of('2026-11-26');
    await expect(place.collector().of('2026-11-24')).rejects.toMatchObject({ code: 'salt_unavailable' });
    expect(String(place.faults)).toContain('a clock is ahead');
    time.nowMs += 86_400_000;
    expect(Buffer.from(await place.collector().of('2026-11-26'))).toEqual(Buffer.from(later));
  });

  test('one of after tomorrow, of a clock that was days ahead, keeps nobody from that of today', async () => {
    const place = await openTable(() => NOON);
    const clock = () => NOON + 2 * 86_400_000;
    const ahead = new DynamoSalts({ client: emulator.client, table: place.table, clock, report: () => undefined });
    const later = await ahead.of('2026-11-27');
    const salt = await place.collector().of('2026-11-25');
    expect(Buffer.from(await place.collector().of('2026-11-25'))).toEqual(Buffer.from(salt));
    expect((await place.stored()).includes(Buffer.from(later))).toBe(false);
  });

  test('a table that does not answer holds nobody for long, and names nothing of AWS', async () => {
    const place = await openTable(() => NOON);
    const held = Promise.withResolvers<never>();
    let calls = 0;
    const slow: TableClient = {
      send: ((command: never) => {
        calls += 1;
        return calls === 1 ? held.promise : emulator.client.send(command);
      }) as TableClient['send'],
    };
    const faults: unknown[] = [];
    const report = (fault: unknown) => faults.push(fault);
    const salts = new DynamoSalts({ client: slow, table: place.table, clock: () => NOON, report });
    const startedAtMs = performance.now();
    const both = await Promise.allSettled([salts.of('2026-11-25'), salts.of('2026-11-25')]);
    const late = { status: 'rejected', reason: { code: 'salt_unavailable' } };
    expect(both).toMatchObject([late, late]);
    expect(performance.now() - startedAtMs).toBeLessThan(LIMITS.saltMsMax + 1_000);
    expect([calls, faults.length]).toEqual([1, 1]);
    expect((await salts.of('2026-11-25')).length).toBe(LIMITS.saltBytes);
    place.breakDown();
    const refused = await place
      .collector()
      .of('2026-11-25')
      .catch((thrown: Error) => thrown.message);
    expect(refused).not.toContain('123456789012');
    expect(String(place.faults)).toContain('123456789012');
  });
});

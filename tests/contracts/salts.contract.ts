import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/core/limits.ts';
import type { Salts } from '../../src/core/salts.ts';

/** Where the salts of one installation are kept, with a clock that the suite sets. */
export interface SaltPlace {
  /** A collector that knows nothing yet: another one, or the same after a restart. */
  collector(): Salts;
  /** Every byte that is kept, as it is kept. */
  stored(): Promise<Buffer>;
  /** From now on nothing is read or written. */
  breakDown(): void;
  mend(): void;
  close(): Promise<void>;
}

/** What `Salts` promises. */
export function saltsContract(subject: {
  readonly name: string;
  /** Whether several collectors share the place; else they follow each other. */
  readonly isShared: boolean;
  readonly open: (clock: () => number) => Promise<SaltPlace>;
}): void {
  describe(`salts: ${subject.name}`, () => {
    const time = { nowMs: 0 };
    let place: SaltPlace;
    beforeEach(async () => {
      time.nowMs = Date.parse('2026-11-25T12:00:00Z');
      place = await subject.open(() => time.nowMs);
    });
    afterEach(() => place.close());
    const [BEFORE, YESTERDAY, TODAY, TOMORROW, DAY_AFTER] = [23, 24, 25, 26, 27].map((day) => `2026-11-${day}`) as [
      ...[string, string, string, string, string],
    ];
    const at = (day: string, clock = '12:00:00') => {
      time.nowMs = Date.parse(`${day}T${clock}Z`);
    };
    const textsOf = (salt: Uint8Array) =>
      (['latin1', 'hex', 'base64', 'base64url'] as const).map((form) => Buffer.from(salt).toString(form));
    const isStored = async (salt: Uint8Array) => {
      const stored = (await place.stored()).toString('latin1');
      return textsOf(salt).some((text) => stored.includes(text));
    };

    test('each day has another one, the same each time it is asked for', async () => {
      const salts = place.collector();
      const today = await salts.of(TODAY);
      expect(today.length).toBe(LIMITS.saltBytes);
      const yesterday = await salts.of(YESTERDAY);
      expect(yesterday).not.toEqual(today);
      expect([await salts.of(TODAY), await salts.of(YESTERDAY)]).toEqual([today, yesterday]);
    });

    test('a restart and another collector get the same', async () => {
      const first = place.collector();
      const made = [await first.of(TODAY), await first.of(YESTERDAY)];
      const second = place.collector();
      expect([await second.of(TODAY), await second.of(YESTERDAY)].map((salt) => Buffer.from(salt))).toEqual(
        made.map((salt) => Buffer.from(salt)),
      );
    });

    test('another place has others', async () => {
      const elsewhere = await subject.open(() => time.nowMs);
      expect(await elsewhere.collector().of(TODAY)).not.toEqual(await place.collector().of(TODAY));
      await elsewhere.close();
    });

    test.runIf(subject.isShared)('collectors that ask at once agree, and so do requests of one', async () => {
      const collectors = Array.from({ length: 8 }, () => place.collector());
      const asked = await Promise.all(collectors.flatMap((salts) => [salts.of(TODAY), salts.of(TODAY)]));
      expect(new Set(asked.map((salt) => Buffer.from(salt).toString('hex'))).size).toBe(1);
    });

    test('only today and yesterday have one', async () => {
      const salts = place.collector();
      for (const day of [BEFORE, TOMORROW]) {
        await expect(salts.of(day), day).rejects.toMatchObject({ code: 'salt_unavailable' });
      }
      at(TODAY, '23:59:59.999');
      const today = await salts.of(TODAY);
      at(TOMORROW, '00:00:00');
      expect(await salts.of(TODAY)).toEqual(today);
      await expect(salts.of(YESTERDAY)).rejects.toMatchObject({ code: 'salt_unavailable' });
    });

    test('two days later the old one is nowhere, and never comes back', async () => {
      const salts = place.collector();
      const today = await salts.of(TODAY);
      at(TOMORROW);
      const next = await salts.of(TOMORROW);
      expect(await isStored(today)).toBe(true);
      at(DAY_AFTER);
      await salts.of(DAY_AFTER);
      expect([await isStored(today), await isStored(next)]).toEqual([false, true]);
      for (const collector of [salts, place.collector()]) {
        await expect(collector.of(TODAY)).rejects.toMatchObject({ code: 'salt_unavailable' });
        expect(Buffer.from(await collector.of(TOMORROW))).toEqual(Buffer.from(next));
      }
    });

    test('while the place is away none is made up, and what was had before is the same after it', async () => {
      const salts = place.collector();
      const today = await salts.of(TODAY);
      const fresh = place.collector();
      place.breakDown();
      expect(await salts.of(TODAY)).toEqual(today);
      const refused = { code: 'salt_unavailable', status: 503, retriable: true };
      await expect(salts.of(YESTERDAY)).rejects.toMatchObject(refused);
      place.mend();
      const yesterday = await salts.of(YESTERDAY);
      const last = subject.isShared ? fresh : place.collector();
      expect(Buffer.from(await last.of(YESTERDAY))).toEqual(Buffer.from(yesterday));
    });
  });
}

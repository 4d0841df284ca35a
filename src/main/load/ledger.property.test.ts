import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { Ledger, type Outcome, readLedger, writeLedger } from './ledger.ts';

const folder = mkdtempSync(join(tmpdir(), 'clickstream-ledger-'));
afterAll(() => rmSync(folder, { recursive: true }));

const outcome = fc.constantFrom<Outcome>('acknowledged', 'refused', 'unknown');

describe('the ledger', () => {
  test('takes of several sendings of an event what says most, in any order', () => {
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 4 }), (outcomes) => {
        const ledger = new Ledger('r');
        ledger.sent({ number: 0, who: 'ada', eventType: 'page', createdAtMs: 1 });
        for (const one of outcomes) ledger.settle(0, one);
        const expected = outcomes.includes('acknowledged')
          ? 'acknowledged'
          : outcomes.length > 0 && outcomes.every((one) => one === 'refused')
            ? 'refused'
            : 'unknown';
        expect(ledger.outcomeOf(0)).toBe(expected);
      }),
    );
  });

  test('comes back from its file as it was written', async () => {
    const event = fc.record({
      number: fc.nat({ max: 3_000 }),
      who: fc.string({ minLength: 1 }),
      eventType: fc.string({ minLength: 1 }),
      createdAtMs: fc.integer({ min: 0, max: 4e12 }),
    });
    const list = fc.uniqueArray(fc.tuple(event, fc.option(outcome)), {
      selector: ([{ number }]) => number,
      minLength: 1,
    });
    await fc.assert(
      fc.asyncProperty(list, async (events) => {
        const ledger = new Ledger('run-7.x');
        for (const [planned, outcome] of events) {
          ledger.sent(planned);
          if (outcome !== null) ledger.settle(planned.number, outcome);
        }
        const path = join(folder, 'ledger.jsonl');
        await writeLedger(ledger, path);
        const read = await readLedger(path);
        expect(read.run).toBe('run-7.x');
        expect(read.counts()).toEqual(ledger.counts());
        expect([read.earliestMs, read.latestMs]).toEqual([ledger.earliestMs, ledger.latestMs]);
        for (let number = 0; number < ledger.size; number += 1)
          expect(read.entry(number)).toEqual(ledger.entry(number));
      }),
      { numRuns: 40 },
    );
  });

  test('knows its own ids only', () => {
    const ledger = new Ledger('a-1');
    expect(ledger.numberOf('load-a-1-42')).toBe(42);
    for (const id of ['load-a-1-', 'load-a-1-042', 'load-a-1-4x', 'load-a-2-1', 'load-a-11', '42']) {
      expect(ledger.numberOf(id)).toBeUndefined();
    }
  });

  test.each([
    ['', 'names no event'],
    ['not json\n', 'line 1'],
    ['{"id":"x","outcome":"acknowledged","user":"u","type":"t","createdAt":"2026-01-01T00:00:00Z"}\n', 'line 1'],
    ['{"id":"load-r-1","outcome":"acknowledged","user":"u","type":"t","createdAt":"soon"}\n', 'line 1'],
  ])('says what is wrong with a file that is none: %j', async (text, said) => {
    const path = join(folder, 'broken.jsonl');
    writeFileSync(path, text);
    await expect(readLedger(path)).rejects.toThrow(said);
    await expect(readLedger(path)).rejects.toMatchObject({ code: 'config_invalid' });
  });

  test('says when its file cannot be read or written', async () => {
    const path = join(folder, 'nowhere', 'ledger.jsonl');
    await expect(readLedger(path)).rejects.toMatchObject({ code: 'config_invalid' });
    await expect(writeLedger(new Ledger('r'), path)).rejects.toMatchObject({ code: 'config_invalid' });
  });
});

/** The stream acknowledges a record and has it not: of all that can go wrong the one that nothing but the ledger would tell. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { LIMITS } from '../../src/core/limits.ts';
import { parseHeader } from '../../src/log/record.ts';
import type { Scene } from './scenes.ts';
import { type Audit, events } from './tracker.ts';

const LOST = 'lost-by-the-stream';
/** Over all lanes it takes this long until a loss is told from a delay; and a little for the audit itself. */
const NAMED_WITHIN_MS = LIMITS.ledgerClockMsMax + 60_000;

interface Lost {
  readonly collector: string;
  readonly number: number;
  readonly atMs: number;
}
let lost: Lost | undefined;

/** Played before what takes minutes, and looked at after it. */
export const LOSS: Scene = {
  title: 'a record acknowledged and lost by the stream: its event is nowhere',
  play: async ({ emulator, tracker, functions }) => {
    // One process of the collector, so that the requests after it are that one's too.
    await emulator.restart(functions.collect);
    await emulator.forgetReport();
    await emulator.faults([{ kind: 'lose record', marker: LOST, times: 1 }]);
    await tracker.send(events(1, { scene: LOST }));
    await emulator.faults([]);
    // What its collector sends afterwards tells that it was acknowledged.
    for (let request = 0; request < 10; request += 1) await tracker.send(events(1, { scene: 'after-lost' }));
    await emulator.drained();
    const { notes } = await emulator.report();
    const header = notes.find(({ kind }) => kind === 'lost')?.header;
    assert.ok(header !== undefined, 'no record was lost');
    const { collector, number } = parseHeader(Buffer.from(header));
    lost = { collector, number, atMs: Date.now() };
    assert.deepEqual(await tracker.stored(LOST), []);
    return `number ${number} of collector ${collector}`;
  },
};

export const LOSS_NAMED: Scene = {
  title: 'a record acknowledged and lost by the stream: the audit names it once every lane is past it',
  play: async ({ emulator, tracker }) => {
    if (lost === undefined) throw new Error('nothing was lost');
    // What Lambda gave up stays undone at the end of its lane, until something comes after it.
    await tracker.send(events(50, { scene: 'long-after-lost' }));
    await emulator.drained();
    const { collector, number, atMs } = lost;
    for (const end = Math.max(atMs + NAMED_WITHIN_MS, Date.now() + 60_000); ; await sleep(2_000)) {
      const { balanced, problems } = await tracker.get<Audit>('/api/v1/audit');
      const named = problems.find(({ kind, detail }) => {
        const [, first = '', last = first] = /^numbers? (\d+)(?: to (\d+))? /.exec(detail) ?? [];
        return (
          kind === 'records_lost' && detail.includes(collector) && Number(first) <= number && number <= Number(last)
        );
      });
      if (named !== undefined) {
        assert.equal(balanced, false);
        return `after ${Math.round((Date.now() - atMs) / 1_000)} s: ${named.detail}`;
      }
      if (Date.now() > end) throw new Error(`not named: ${JSON.stringify(problems)}`);
    }
  },
};

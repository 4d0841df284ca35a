import type { Command } from 'commander';
import { isObject, type JsonObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { type ApiClient, strange } from './client.ts';
import {
  EXIT,
  grouped,
  parseDuration,
  type ServerOptions,
  serverCommand,
  styled,
  visible,
  withServer,
} from './terminal.ts';

interface ReceiptOptions extends ServerOptions {
  readonly wait?: number;
}

const HELP = `
Examples:
  $ clickstream receipt 11474bb3cec3438d.0.tp2wu6.1_2.local:0_2.qpwajt
  $ clickstream receipt "$ID" --wait 5s
  $ clickstream receipt "$ID" --json

Says what became of the events that one answer of the collector acknowledged. Its id is in that answer's header
Clickstream-Receipt. With --wait it waits until all of them are processed, or until the time is over.

Exit codes: 0 each is stored, or a duplicate of one that is; 1 one is bad, dead, forgotten, lost or still pending, or
the server failed; 2 usage, or there is no such receipt; 3 the server is unreachable.`;

/** `clickstream receipt`: what became of what one 2xx acknowledged. */
export function receiptCommand(): Command {
  return serverCommand('receipt', 'Say what became of the events that one answer acknowledged')
    .argument('<id>', 'of the header Clickstream-Receipt')
    .option('--wait <duration>', 'how long to wait until they are processed, such as 5s', parseDuration)
    .addHelpText('after', HELP)
    .action((id: string, options: ReceiptOptions) =>
      withServer(options, async (client) => {
        const told = await ask(client, { id, waitMs: options.wait ?? 0 });
        process.stdout.write(options.json === true ? `${JSON.stringify(told.raw)}\n` : receiptText(told));
        const { stored, duplicate, events } = told;
        return stored + duplicate === events ? EXIT.well : EXIT.notWell;
      }),
    );
}

const COUNTS = ['stored', 'duplicate', 'bad', 'dead', 'forgotten', 'lost', 'pending'] as const;

interface Told extends Readonly<Record<(typeof COUNTS)[number] | 'events', number>> {
  readonly receivedAt: string;
  readonly notStored: readonly JsonObject[];
  /** All that the server said. */
  readonly raw: JsonObject;
}

/** The server waits for so long at the most, so it is asked as often as it takes. */
async function ask(client: ApiClient, { id, waitMs }: { readonly id: string; readonly waitMs: number }): Promise<Told> {
  const end = performance.now() + waitMs;
  for (;;) {
    const leftSeconds = Math.ceil(Math.max(0, end - performance.now()) / 1_000);
    const wait = Math.min(leftSeconds, LIMITS.receiptWaitSecondsMax);
    const told = toldBy(await client.get(`/api/v1/receipts/${encodeURIComponent(id)}`, { wait }));
    if (told.pending === 0 || performance.now() >= end) return told;
  }
}

function toldBy(raw: JsonObject): Told {
  const { receivedAt, notStored } = raw;
  const number = (name: keyof Told) => {
    const value = raw[name];
    if (typeof value !== 'number') throw strange(`a receipt with a number "${name}"`, raw);
    return value;
  };
  if (typeof receivedAt !== 'string' || !Array.isArray(notStored)) throw strange('a receipt', raw);
  return {
    ...{ events: number('events'), stored: number('stored'), duplicate: number('duplicate'), bad: number('bad') },
    ...{ dead: number('dead'), forgotten: number('forgotten'), lost: number('lost'), pending: number('pending') },
    ...{ receivedAt, notStored: notStored.filter(isObject), raw },
  };
}

function receiptText(told: Told): string {
  const row = (name: string, count: number) => `${name.padEnd(14)}${grouped(count).padStart(16)}`;
  const lines = [styled('bold', row('events', told.events)), ...COUNTS.map((name) => row(name, told[name]))];
  lines.push(styled('dim', `received ${told.receivedAt.replace('T', ' ').replace(/\.\d+Z$/, '')}`));
  for (const { outcome, lane, sequence, index, id, code, detail } of told.notStored) {
    const place = [lane, sequence, index].filter((part) => part !== undefined).join('/');
    const words = [styled(outcome === 'duplicate' ? 'dim' : 'red', `${outcome}`), code, place, id];
    lines.push(words.flatMap((word) => (word === undefined ? [] : [visible(`${word}`)])).join('  '));
    if (typeof detail === 'string') lines.push(`  ${visible(detail)}`);
  }
  if (told.notStored.length === LIMITS.receiptNotStoredMax) {
    lines.push(styled('dim', `The first ${told.notStored.length} that are not stored.`));
  }
  return `${lines.join('\n')}\n`;
}

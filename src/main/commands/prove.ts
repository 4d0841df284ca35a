import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { progressLine } from '../load/report.ts';
import { newRun } from '../load/run.ts';
import { type ProveReport, proveReport, proveText } from '../prove/report.ts';
import { ProveRun, type Verdict } from '../prove/run.ts';
import { EXIT, finish, grouped, parseDuration, plainCommand, wholeNumber } from './terminal.ts';

interface ProveOptions {
  readonly for: number;
  readonly seed: number;
  readonly json?: true;
}

const HELP = `
Examples:
  $ clickstream prove
  $ clickstream prove --for 1h
  $ clickstream prove --for 5m --seed 7 --json

Runs servers of this very program in a folder of their own, under the system's folder for temporary files, and
under load. Each is killed with kill -9 at a random moment, some while they start. After half of the kills a loss
of power is played as well: what the system had not promised to be on the device is taken away. On Linux the disk
is full now and then. Then everything is read back: each acknowledged event must be there exactly once, and the
audit must balance. The folder is removed, unless something was found. It takes up to 500 MB of disk for a minute,
some 6 GB for an hour. Ctrl-C ends it early and checks.

Exit codes: 0 nothing lost, nothing doubled, the audit balances; 1 something was found, or a server failed; 2 usage.`;

/** `clickstream prove`: the product's promise, tried out on the machine that is to keep it. */
export function proveCommand(): Command {
  return plainCommand('prove', 'Kill servers under load, and show that nothing acknowledged is lost or doubled')
    .option(
      '--for <duration>',
      'how long, but at least six servers; such as 1m or 1h (default 1m)',
      parseDuration,
      parseDuration('1m'),
    )
    .option('--seed <number>', 'what is random comes from it', wholeNumber({ min: 0, max: 2 ** 32 - 1 }), 1)
    .option('--json', 'print JSON in place of text')
    .addHelpText('after', HELP)
    .action((options: ProveOptions) => finish(() => prove(options)));
}

async function prove(options: ProveOptions): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-prove-'));
  const data = join(folder, 'data');
  const log = join(folder, 'servers.log');
  const run = new ProveRun({ data, log, seed: options.seed, forMs: options.for, run: newRun() });
  const stop = () => run.stop();
  process.once('SIGINT', stop);
  const found = await played(run, options);
  process.removeListener('SIGINT', stop);
  const report: ProveReport = proveReport(run, { ...found, seconds: run.elapsedMs / 1_000 });
  if (report.ok) rmSync(folder, { recursive: true });
  const told: ProveReport = report.ok ? report : { ...report, kept: folder };
  process.stdout.write(options.json === true ? `${JSON.stringify(told)}\n` : proveText(told));
  return report.ok ? EXIT.well : EXIT.notWell;
}

/** A server that does not start or ends by itself is what is looked for too: told of, and not thrown. */
async function played(
  run: ProveRun,
  { json, for: forMs }: ProveOptions,
): Promise<{ readonly verdict?: Verdict | undefined; readonly faults: readonly string[] }> {
  const progress = json === true ? undefined : new Progress(run, forMs);
  const faults: string[] = [];
  const note = (thrown: unknown) => {
    faults.push(thrown instanceof Error ? thrown.message : String(thrown));
    return undefined;
  };
  await run.play().catch(note);
  // What another server finds of it all may say more.
  const verdict = await run.verdict((events) => progress?.reading(events)).catch(note);
  if (verdict === undefined) run.giveUp();
  progress?.end();
  return { verdict, faults };
}

const SHOWN_MS = 200;

/** On a terminal one line that is written over; elsewhere nothing, for the table tells all. */
class Progress {
  readonly #run: ProveRun;
  readonly #forMs: number;
  readonly #timer: NodeJS.Timeout | undefined;
  #read: number | undefined;

  constructor(run: ProveRun, forMs: number) {
    this.#run = run;
    this.#forMs = forMs;
    if (process.stderr.isTTY) this.#timer = setInterval(() => this.#show(), SHOWN_MS);
  }

  reading(events: number): void {
    this.#read = events;
  }

  end(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    process.stderr.write('\r\u001b[2K');
  }

  #show(): void {
    const { rounds, acknowledgedEvents, elapsedMs } = this.#run;
    const done = `${grouped(rounds.length)} kills  ${grouped(acknowledgedEvents)} events acknowledged`;
    const text = this.#read === undefined ? done : `${done}  ${grouped(this.#read)} read back`;
    const part = Math.min(1, elapsedMs / this.#forMs);
    process.stderr.write(`\r\u001b[2K${progressLine({ text, part, columns: process.stderr.columns })}`);
  }
}

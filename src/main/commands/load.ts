import { type Command, InvalidArgumentError, Option } from 'commander';
import { ERRORS, type ErrorCode } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { readJson } from '../../core/read-json.ts';
import { checkStored, readAudit, waitProcessed } from '../load/check.ts';
import type { Answer } from '../load/connection.ts';
import { Freshness } from '../load/freshness.ts';
import { Ledger, readLedger, writeLedger } from '../load/ledger.ts';
import { type LoadReport, problemsOf, reportText, sentReport, showProgress } from '../load/report.ts';
import { type LoadPlan, LoadRun, newRun } from '../load/run.ts';
import { type ApiClient, ApiError } from './client.ts';
import {
  EXIT,
  parseDuration,
  parseRate,
  type ServerOptions,
  serverCommand,
  wholeNumber,
  withServer,
} from './terminal.ts';

interface LoadOptions extends ServerOptions {
  readonly writeKey: string;
  readonly rate: number | 'max';
  readonly for: number;
  readonly seed: number;
  readonly people: number;
  readonly batch: number;
  readonly connections: number;
  readonly run?: string;
  readonly check: boolean;
  readonly checkOnly?: string;
  readonly ledger?: string;
}

const HELP = `
Examples:
  $ clickstream load
  $ clickstream load --rate 10000/min --for 5m --seed 7
  $ clickstream load --rate max --batch 100 --connections 16 --json
  $ clickstream load --ledger sent.jsonl ; clickstream load --check-only sent.jsonl

Plays visits to a shop: pages, searches, purchases, logins, people with several devices, visits kept while
offline, late and repeated events. It keeps its own list of what was acknowledged, and at the end reads all of
it back. At a rate it sends on schedule however slow answers are; at max, each connection sends when its last
answer is there. Ctrl-C ends the sending early and checks what was sent.

Exit codes: 0 every acknowledged event is stored exactly once and the ledger balances; 1 something is lost,
doubled or does not balance; 2 usage; 3 the server is unreachable.`;

/** `clickstream load`: realistic traffic, and the proof that none of it was lost or doubled. */
export function loadCommand(): Command {
  return serverCommand('load', 'Play realistic visits, then check that each event is stored exactly once')
    .addOption(
      new Option('--write-key <key>', 'write key that events are sent with')
        .env('CLICKSTREAM_WRITE_KEY')
        .default('load'),
    )
    .addOption(
      new Option('--rate <rate>', 'events in a time, such as 10000/min or 500/s, or max')
        .default(parseRate('10000/min'), '10000/min')
        .argParser(parseRate),
    )
    .addOption(
      new Option('--for <duration>', 'how long to send, such as 60s or 5m')
        .default(parseDuration('60s'), '60s')
        .argParser(parseDuration),
    )
    .option('--seed <number>', 'what is random comes from it', wholeNumber({ min: 0, max: 2 ** 32 - 1 }), 1)
    .option('--people <number>', 'how many people visit', wholeNumber({ min: 1, max: LIMITS.loadPeopleMax }), 1_000)
    .option('--batch <number>', 'events a request', wholeNumber({ min: 1, max: LIMITS.loadBatchEventsMax }), 1)
    .option('--connections <number>', 'connections', wholeNumber({ min: 1, max: LIMITS.loadConnectionsMax }), 32)
    .option('--run <name>', 'name of the run, part of each event id; default: a new one', parseRun)
    .option('--no-check', 'only send: read nothing back')
    .option('--ledger <file>', 'write what was sent and what became of it there, as JSON lines')
    .option('--check-only <file>', 'send nothing: check what such a file lists')
    .addHelpText('after', HELP)
    .action((options: LoadOptions) => withServer(options, (client) => load(client, options)));
}

function parseRun(value: string): string {
  if (/^[A-Za-z0-9._-]{1,64}$/.test(value)) return value;
  throw new InvalidArgumentError('It must be 1 to 64 letters, digits, dots, dashes or underscores.');
}

async function load(client: ApiClient, options: LoadOptions): Promise<number> {
  const report =
    options.checkOnly === undefined
      ? await playAndCheck(client, options)
      : await checkedReport(client, await readLedger(options.checkOnly), {});
  process.stdout.write(options.json === true ? `${JSON.stringify(report)}\n` : reportText(report));
  return report.ok ? EXIT.well : EXIT.notWell;
}

async function playAndCheck(client: ApiClient, options: LoadOptions): Promise<LoadReport> {
  // Asked first, so that a server that is not there or wants a token is told of before anything is sent.
  if (options.check) await client.get('/api/v1/events', { limit: 1 });
  const ledger = new Ledger(options.run ?? newRun());
  const freshness = options.check ? new Freshness(client, ledger.run) : undefined;
  const plan: LoadPlan = { ...options, ratePerSecond: options.rate, forMs: options.for };
  const run = new LoadRun(plan, ledger, (event) => freshness?.offer(event));
  await play(run, options);
  if (options.ledger !== undefined) await writeLedger(ledger, options.ledger);
  const counts = ledger.counts();
  if (counts.acknowledged === 0) throw nothingAcknowledged(run);
  await freshness?.settled();
  const measured = {
    seed: options.seed,
    sent: sentReport(run),
    acknowledgementMs: run.acknowledgement.summary(),
    ...(freshness && { queryableMs: { ...freshness.latencies.summary(), notSeen: freshness.notSeen } }),
  };
  if (options.check) return checkedReport(client, ledger, measured);
  return { ok: true, run: ledger.run, ...measured, events: counts, problems: [] };
}

async function play(run: LoadRun, { json }: LoadOptions): Promise<void> {
  const stop = () => run.stop();
  process.once('SIGINT', stop);
  const hideProgress = json === true ? () => {} : showProgress(run);
  try {
    await run.play();
  } finally {
    hideProgress();
    process.removeListener('SIGINT', stop);
  }
}

async function checkedReport(
  client: ApiClient,
  ledger: Ledger,
  measured: Pick<LoadReport, 'seed' | 'sent' | 'acknowledgementMs' | 'queryableMs'>,
): Promise<LoadReport> {
  const processed = await waitProcessed(client);
  const check = await checkStored(client, ledger);
  const audit = await readAudit(client, { deep: true, patienceMs: LIMITS.clientMsMax });
  const problems = problemsOf({ processed, check, audit });
  const ok = problems.length === 0;
  return { ok, run: ledger.run, ...measured, events: ledger.counts(), processed, check, audit: audit.raw, problems };
}

function nothingAcknowledged({ firstRefusal, plan }: LoadRun): ApiError {
  if (firstRefusal !== undefined) return refusalOf(firstRefusal);
  const { status, cure } = ERRORS.server_unreachable;
  const detail = `${plan.url.origin} acknowledged nothing`;
  return new ApiError({ code: 'server_unreachable', status, detail, cure });
}

function refusalOf({ status, body }: Answer): ApiError {
  const fallback = {
    code: 'internal',
    status,
    detail: `every event was refused with ${status}`,
    cure: ERRORS.internal.cure,
  };
  let said: unknown;
  try {
    said = readJson(body);
  } catch {
    // Not an answer of clickstream's collector; the status is all there is to tell.
    return new ApiError(fallback);
  }
  if (!isObject(said) || typeof said.code !== 'string') return new ApiError(fallback);
  const cure =
    typeof said.cure === 'string' ? said.cure : isErrorCode(said.code) ? ERRORS[said.code].cure : fallback.cure;
  const detail = typeof said.message === 'string' ? said.message : fallback.detail;
  return new ApiError({ code: said.code, status, detail, cure });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

import { type Command, InvalidArgumentError } from 'commander';
import { ClickstreamError } from '../../core/errors.ts';
import type { Archived } from '../../log/archive.ts';
import { type ArchiveFile, archiveFiles, readFile } from '../replay/archive-files.ts';
import { type Refused, ReplaySender } from '../replay/sender.ts';
import type { ApiClient } from './client.ts';
import { ProgressBar } from './progress-bar.ts';
import { EXIT, finish, grouped, type ServerOptions, serverCommand, styled, visible, withServer } from './terminal.ts';

const HELP = `
Examples:
  $ aws s3 cp --recursive s3://<archive>/records/2026/11/25/ archive/ && clickstream replay archive/
  $ clickstream replay --dry-run archive/
  $ clickstream replay archive/ --from archive/09/part-3:1200 --url https://events.internal --token "$TOKEN"
  $ aws s3 cp s3://<archive>/records/2026/11/25/09/part-3 - | clickstream replay -

Puts records of the archive into the log once more: files gzipped or plain, all files in a folder, or "-" for standard
input. An event that the server has already is a duplicate and changes nothing, so it does no harm to replay twice, or
too much; but an event that was set aside is listed once more, and one that the server has let expire is stored again.
What is no record is named and passed over. While the server does not take them, records are tried again for five
minutes. Once it stops, or on Ctrl-C, it says where to go on. --dry-run reads the files and asks no server.

Exit codes: 0 all was replayed; 1 something was passed over, it was interrupted, or the server failed; 2 usage; 3 the
server is unreachable.`;

interface ReplayOptions extends ServerOptions {
  readonly from?: From;
  readonly dryRun?: true;
}

/** Where to begin: everything before it is passed over. */
interface From {
  readonly file: string;
  /** From 1. */
  readonly record: number;
}

/** `clickstream replay`: the events of an archive, from its files. */
export function replayCommand(): Command {
  return serverCommand('replay', 'Put records of the archive into the log once more')
    .argument('<file...>', 'files of the archive, folders of them, or - for standard input')
    .option('--from <place>', 'begin there: FILE:RECORD, as an interrupted replay says it', parseFrom)
    .option('--dry-run', 'only read and count')
    .addHelpText('after', HELP)
    .action((names: readonly string[], options: ReplayOptions) =>
      options.dryRun === true
        ? finish(async () => new Replay(await filesFrom(names, options.from), options).run())
        : withServer(options, async (client) =>
            new Replay(await filesFrom(names, options.from), { ...options, client }).run(),
          ),
    );
}

function parseFrom(value: string): From {
  const [, file, record] = /^(.+):([1-9]\d{0,14})$/s.exec(value) ?? [];
  if (file === undefined) throw new InvalidArgumentError('It must be FILE:RECORD, such as archive/part-3:1200.');
  return { file, record: Number(record) };
}

interface FileFrom extends ArchiveFile {
  /** The first record that is wanted. */
  readonly record: number;
}

async function filesFrom(names: readonly string[], from: From | undefined): Promise<readonly FileFrom[]> {
  const files = (await archiveFiles(names)).map((file) => ({ ...file, record: 1 }));
  if (from === undefined) return files;
  const first = files.findIndex(({ name }) => name === from.file);
  if (first < 0) {
    throw new ClickstreamError('config_invalid', `--from names ${from.file}, which is none of the files given`);
  }
  return files.slice(first).map((file, index) => (index === 0 ? { ...file, record: from.record } : file));
}

/** One run over all files. */
class Replay {
  readonly #files: readonly FileFrom[];
  readonly #options: ReplayOptions;
  readonly #client: ApiClient | undefined;
  readonly #sender: ReplaySender | undefined;
  readonly #refused: Refused[] = [];
  #found = { records: 0, events: 0 };
  /** Of what was sent, how many refusals are told. */
  #told = 0;
  #bytes = 0;
  #at = { file: '', record: 1 };
  #retrying: string | undefined;
  #isSending = false;
  readonly #stopping = new AbortController();
  #bar: ProgressBar | undefined;

  constructor(files: readonly FileFrom[], options: ReplayOptions & { readonly client?: ApiClient }) {
    this.#files = files;
    this.#options = options;
    this.#client = options.client;
    if (options.client !== undefined) {
      this.#sender = new ReplaySender({
        client: options.client,
        signal: this.#stopping.signal,
        onRetry: ({ code }) => {
          this.#retrying = code;
        },
      });
    }
  }

  async run(): Promise<number> {
    // Asked first, so that a server that is not there or wants a token is told of before anything is read.
    await this.#client?.get('/api/v1/sources');
    const stop = () => this.#stopping.abort();
    process.once('SIGINT', stop);
    if (this.#options.json !== true) this.#bar = new ProgressBar(() => this.#progress());
    let next: string | undefined;
    try {
      next = await this.#readAll();
    } catch (thrown) {
      this.#end(placeText(this.#sender?.next ?? this.#at));
      throw thrown;
    } finally {
      process.removeListener('SIGINT', stop);
    }
    this.#end(next);
    return next === undefined && this.#refused.length === 0 ? EXIT.well : EXIT.notWell;
  }

  /** Returns where to go on when it was interrupted. */
  async #readAll(): Promise<string | undefined> {
    const { signal } = this.#stopping;
    let isBrokenOff = false;
    try {
      for (const file of this.#files) await this.#readOne(file, signal);
    } catch (thrown) {
      // Of the reading that was broken off; what was gathered is still sent.
      if (!signal.aborted || this.#isSending) throw thrown;
      isBrokenOff = true;
    }
    await this.#sender?.flush();
    return isBrokenOff ? placeText(this.#at) : undefined;
  }

  async #readOne({ name, record: first }: FileFrom, signal: AbortSignal): Promise<void> {
    this.#at = { file: name, record: first };
    const progress = (bytes: number) => {
      this.#bytes += bytes;
    };
    for await (const archived of readFile(name, { signal, progress })) {
      signal.throwIfAborted();
      const { record, byte } = archived.place;
      if (record < first) continue;
      this.#isSending = true;
      await this.#take(archived, { file: name, record, byte });
      this.#isSending = false;
      this.#at = { file: name, record: record + 1 };
    }
  }

  async #take(archived: Archived, place: Omit<Refused, 'code' | 'detail'>): Promise<void> {
    switch (archived.kind) {
      case 'record':
        this.#found.records += 1;
        this.#found.events += archived.record.lines.length;
        await this.#sender?.add({ ...place, data: archived.data });
        this.#tellRefused();
        break;
      case 'no record': {
        const detail = `${grouped(archived.bytes)} bytes are no record: ${archived.problem}`;
        this.#refuse({ ...place, code: 'record_unreadable', detail });
        break;
      }
      case 'too long':
        this.#refuse({ ...place, code: 'record_unreadable', detail: 'the file is too long, and was read no further' });
        break;
    }
  }

  #tellRefused(): void {
    const refused = this.#sender?.refused ?? [];
    for (const refusal of refused.slice(this.#told)) this.#refuse(refusal);
    this.#told = refused.length;
  }

  #refuse(refusal: Refused): void {
    this.#refused.push(refusal);
    if (this.#options.json === true) return;
    this.#bar?.clear();
    const { code, detail, byte } = refusal;
    const where = `${visible(placeText(refusal))}  ${styled('dim', `byte ${grouped(byte)}`)}`;
    process.stdout.write(`${where}  ${styled('red', visible(code))}: ${visible(detail)}\n`);
  }

  #end(next: string | undefined): void {
    this.#bar?.hide();
    this.#tellRefused();
    const { json, dryRun } = this.#options;
    const { records, events } = this.#sender ?? this.#found;
    if (json === true) {
      const told = { files: this.#files.length, records, events, refused: this.#refused, next: next ?? null };
      process.stdout.write(`${JSON.stringify({ ...told, dryRun: dryRun === true })}\n`);
      return;
    }
    const what = dryRun === true ? 'would be replayed' : 'replayed';
    const refused = this.#refused.length === 0 ? '' : `, ${grouped(this.#refused.length)} passed over`;
    process.stdout.write(`${grouped(records)} records with ${grouped(events)} events ${what}${refused}.\n`);
    if (next !== undefined) process.stdout.write(`Go on with: --from ${visible(shellWord(next))}\n`);
  }

  #progress(): { readonly text: string; readonly part: number } {
    const total = this.#files.reduce((sum, { bytes }) => sum + bytes, 0);
    const { records } = this.#sender ?? this.#found;
    const at = visible(placeText(this.#sender?.next ?? this.#at));
    const retry = this.#retrying === undefined ? '' : `  ${visible(this.#retrying)}: trying again`;
    this.#retrying = undefined;
    return {
      text: `${grouped(records)} records  ${at}${retry}`,
      part: total === 0 ? 0 : Math.min(1, this.#bytes / total),
    };
  }
}

function placeText({ file, record }: { readonly file: string; readonly record: number }): string {
  return `${file}:${record}`;
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Every command that asks a server, used as a person uses it: one script of what must be seen, the same for each home. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { eventWith, recordOf } from '../events.ts';
import { refusals } from './command-refusals.ts';
import { type CommandHome, Shell } from './shell.ts';

/** What no collector makes, put into the log of a home before the script is played: one that can be put back, one that cannot. */
export const PLANTED: readonly string[] = [
  // It says that it is of another visitor than its event, so that it is dead again.
  Buffer.from(recordOf([eventWith({ eventId: 'planted' })], { visitor: 'other', collector: 'planted' })).toString(),
  'no record of ours, ä',
];

const DAY_MS = 86_400_000;
/** Rows of views may follow their events a moment later. */
const FOLLOWS_WITHIN_MS = 10_000;

/** By what they do. Each can be played alone. */
export const COMMAND_PARTS: Readonly<Record<string, (shell: Shell) => Promise<string>>> = {
  statistics,
  'the newest events': newest,
  'new events as they come': following,
  'events set aside': setAside,
  receipts,
  'dead records': deadRecords,
  'an archive replayed': replayed,
  'a view folded anew': foldedAnew,
  'a person exported and erased': erasedAndExported,
  load,
  audit,
  refusals,
};

/** Throws where a home differs from what must be seen; returns what was done. */
export async function playCommands(home: CommandHome): Promise<string> {
  const shell = new Shell(home);
  const seen: string[] = [];
  for (const [name, play] of Object.entries(COMMAND_PARTS)) {
    try {
      seen.push(await play(shell));
    } catch (thrown) {
      throw new Error(`${name}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, { cause: thrown });
    }
  }
  assert.deepEqual(shell.notPlayed(), [], 'commands that were not seen to answer');
  return `${shell.commands.length} commands in ${shell.runs} runs: ${seen.join('; ')}`;
}

/** Days long before anything else that was sent, so that what is counted there is known. */
let quietDays = 40;
function quietDay(): string {
  quietDays += 1;
  return new Date(Date.now() - quietDays * DAY_MS).toISOString().slice(0, 10);
}

async function statistics(shell: Shell): Promise<string> {
  const day = quietDay();
  const page = (anonymousId: string, path: string, time: string) => ({
    ...{ type: 'page', anonymousId: `${shell.marker}-${anonymousId}`, properties: { path } },
    timestamp: `${day}T${time}Z`,
  });
  await shell.send([
    ...[page('ada', '/', '10:00:00'), page('ada', '/pricing', '10:01:00'), page('bo', '/', '10:59:59')],
    page('bo', '/', '11:00:00'),
    { ...page('bo', '/', '11:02:00'), type: 'track', event: 'Took \u001b[2J orders' },
  ]);
  const range = ['--from', `${day}T10:00:00Z`, '--to', `${day}T12:00:00Z`, '--interval', 'hour'];
  const bar = (length: number) => `  ${'█'.repeat(length)}`;
  await until(async () => {
    assert.equal(
      await shell.well(['stats', 'pageviews', '--by', 'page', ...range]),
      [
        'time              by        pageviews',
        `${day} 10:00  /                 2${bar(30)}`,
        `${day} 10:00  /pricing          1${bar(15)}`,
        `${day} 11:00  /                 1${bar(15)}`,
        '',
      ].join('\n'),
    );
  });
  const types = await shell.well(['stats', '--by', 'eventType', ...range]);
  assert.ok(types.includes(`${day} 11:00  Took \ufffd[2J orders       1`), types);
  const { rows } = await shell.json(['stats', 'sessions', ...range]);
  const values = (rows as readonly { readonly time: string; readonly value: number }[]).map(({ time, value }) => [
    time,
    value,
  ]);
  assert.deepEqual(values, [
    [`${day}T10:00:00.000Z`, 2],
    [`${day}T11:00:00.000Z`, 0],
  ]);
  assert.equal(
    await shell.well(['stats', '--by', 'page', ...range, '--source', 'none']),
    'Nothing happened in this time.\n',
  );
  await shell.refused(['stats', ...range, '--zone', 'Mars/Olympus'], { code: 2, errors: /^parameter_invalid: / });
  return 'stats as table and rows';
}

async function newest(shell: Shell): Promise<string> {
  const type = shell.typeOf('Newest');
  const times = ['00:01', '00:02', '00:03'].map((time) => `${quietDay()}T${time}:00.000Z`).sort();
  const who = `${shell.marker}-\u0007cy`;
  await shell.send(
    times.map((timestamp, index) => ({
      ...{ type: 'track', event: type, userId: who, timestamp, messageId: `${type}-${index}` },
      properties: { path: `/${index}` },
    })),
  );
  const line = (index: number) =>
    `${times[index]?.replace('T', ' ').replace('Z', '')}  ${type.padEnd(18)}  ${who.replace('\u0007', '\ufffd')}  /${index}\n`;
  assert.equal(await shell.well(['tail', '--type', type, '--limit', '2']), line(1) + line(2));
  assert.equal(await shell.well(['tail', '--type', type, '--source', 'default', '--limit', '1']), line(2));
  const [only, ...others] = (await shell.well(['tail', '--type', type, '--limit', '1', '--json'])).trim().split('\n');
  assert.deepEqual(others, []);
  const { eventId, eventType, userId, properties, timestamp } = JSON.parse(only ?? '');
  assert.deepEqual([eventId, eventType, userId, properties], [`${type}-2`, type, who, { path: '/2' }]);
  assert.equal(timestamp, times[2]);
  return 'tail of what is there';
}

/** `tail` goes on until Ctrl-C, or until it has shown as many as it was asked for. */
async function following(shell: Shell): Promise<string> {
  const type = shell.typeOf('Live');
  const send = (number: number) =>
    shell.send([{ type: 'track', event: type, anonymousId: shell.marker, messageId: `${type}-${number}` }]);
  await send(0);
  const endless = shell.start(['tail', '--type', type, '--json']);
  const limited = shell.start(['tail', '--type', type, '--limit', '3']);
  await until(async () => assert.match(endless.output() && limited.output(), /Live/));
  const began = Date.now();
  for (const number of [1, 2]) await send(number);
  const texts = await limited.ended;
  await until(async () => assert.equal(endless.output().trim().split('\n').length, 3));
  const seconds = Math.round((Date.now() - began) / 100) / 10;
  endless.interrupt();
  const objects = await endless.ended;
  assert.deepEqual([texts.code, texts.errors, objects.code, objects.errors], [0, '', 0, '']);
  const ids = objects.output.trim().split('\n');
  assert.deepEqual(
    ids.map((line) => JSON.parse(line).eventId),
    [0, 1, 2].map((number) => `${type}-${number}`),
  );
  assert.equal(texts.output.trim().split('\n').length, 3);
  return `tail showed 2 new events within ${seconds} s of sending, ended by Ctrl-C with 0`;
}

async function receipts(shell: Shell): Promise<string> {
  const timestamp = new Date().toISOString();
  const event = { type: 'page', anonymousId: 'fay', messageId: `${shell.marker} receipt`, timestamp };
  const good = await shell.send([event]);
  assert.match(good, /^[\w.~:-]+$/);
  const asked = ['receipt', good, '--wait', '20s'];
  assert.match(await shell.well(asked), /^events {23}1\nstored {23}1\nduplicate {20}0\n/);
  const told = await shell.json(asked);
  assert.deepEqual([told.id, told.state, told.stored, told.notStored], [good, 'done', 1, []]);
  const mixed = await shell.send([event, { ...event, type: 'nonsense' }]);
  const { code, output, errors } = await shell.run(['receipt', mixed, '--wait', '20s']);
  assert.deepEqual([code, errors], [1, '']);
  assert.match(
    output,
    /\nduplicate {20}1\nbad {26}1\n[\s\S]*\nduplicate {2}\S+\nbad {2}type_invalid {2}\S+ {2}\w+\n {2}"type" must be/,
  );
  const [, badId = ''] = /\nbad {2}type_invalid {2}\S+ {2}(\w+)\n/.exec(output) ?? [];
  assert.equal((await shell.json(['bad', 'show', badId])).code, 'type_invalid');
  await shell.refused(['receipt', `${good}x`], { code: 2, errors: /^receipt_unknown: / });
  return 'receipts of what was stored, a duplicate and bad';
}

async function setAside(shell: Shell): Promise<string> {
  interface Bad {
    readonly id: string;
    readonly code: string;
    readonly payload: string;
  }
  const summary = async () => {
    const { reasons } = await shell.json(['bad', '--summary']);
    const found = reasons as readonly { readonly code: string; readonly count: number }[];
    return found.find(({ code }) => code === 'type_invalid')?.count ?? 0;
  };
  const before = await summary();
  const first = { type: 'nonsense', messageId: `${shell.marker}-1`, anonymousId: 'dee' };
  const second = { type: 'no\u001bsense', messageId: `${shell.marker}-2 ä`, anonymousId: 'dee' };
  await shell.send([first, second]);
  assert.equal((await summary()) - before, 2);
  assert.match(await shell.well(['bad', '--summary']), /^events {2}reason\n[\s\S]* \d+ {2}type_invalid\n/);
  const listed = await shell.json(['bad', '--code', 'type_invalid', '--limit', '1000']);
  const { bad } = listed as unknown as { readonly bad: readonly Bad[] };
  const mine = bad.filter(({ payload }) => payload.includes(shell.marker));
  assert.deepEqual(
    new Set(mine.map(({ code, payload }) => `${code} ${payload}`)),
    new Set([first, second].map((event) => `type_invalid ${JSON.stringify(event)}`)),
  );
  assert.equal(mine.length, 2);
  const [one] = mine;
  assert.ok(one !== undefined);
  const text = await shell.well(['bad', '--limit', '1000']);
  assert.match(text, new RegExp(`type_invalid {2}default {2}${one.id}\n {2}"type" must be one of track, page, `));
  assert.ok(!text.includes('\u001b'));
  const shown = await shell.run(['bad', 'show', one.id]);
  assert.deepEqual([shown.code, shown.output], [0, one.payload]);
  assert.match(shown.errors, /^\d{4}-\d\d-\d\dT[\d:.]+Z {2}type_invalid {2}default\n"type" must be one of /);
  assert.deepEqual(await shell.json(['bad', 'show', one.id]), one);
  await shell.refused(['bad', 'show', 'none'], { code: 2, errors: /^not_found: / });
  await putBack(shell, one);
  return 'bad listed, counted, shown, put back';
}

/** As it came it is no event; mended it is one, once. */
async function putBack(
  shell: Shell,
  { id, payload }: { readonly id: string; readonly payload: string },
): Promise<void> {
  const { reasons } = await shell.json(['bad', 'reasons', '--code', 'type_invalid']);
  const kinds = reasons as readonly { readonly detail: string; readonly waiting: number }[];
  assert.ok(kinds.some(({ detail, waiting }) => detail.startsWith('"type" must be one of') && waiting > 0));
  assert.match(await shell.well(['bad', 'reasons']), / {2}type_invalid {2}default\n {2}"type" must be one of /);
  await shell.refused(['bad', 'replay', id], { code: 2, errors: /^still_bad: type_invalid: / });
  await shell.refused(['bad', 'replay'], { code: 2, errors: /^error: name the ids of events/ });
  assert.match((await shell.run(['bad', 'replay', '--all', '--dry-run'])).output, /\d+ events would be put back/);
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-commands-'));
  try {
    const file = join(folder, 'event.json');
    const eventType = shell.typeOf('Mended');
    const edit = (type: string) =>
      writeFileSync(file, JSON.stringify({ ...JSON.parse(payload), type: 'track', event: type }));
    const words = ['bad', 'replay', id, '--edit', file];
    edit(eventType);
    const { replayed: first } = await shell.json(words);
    assert.deepEqual(
      (first as readonly { readonly appended: boolean }[]).map(({ appended }) => appended),
      [true],
    );
    edit(`${eventType} otherwise`);
    assert.match(await shell.well(words), new RegExp(`^${id} {2}was put back before edited \\(\\w{8}\\), to \\S+\n$`));
    await shell.home.processed();
    const stored = JSON.parse(await shell.well(['tail', '--type', eventType, '--limit', '1', '--json']));
    assert.deepEqual([stored.eventType, stored.replayOf], [eventType, id]);
    const listed = await shell.json(['bad', '--waiting', '--code', 'type_invalid', '--limit', '1000']);
    assert.ok(!(listed.bad as readonly { readonly id: string }[]).some((other) => other.id === id));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function deadRecords(shell: Shell): Promise<string> {
  interface Dead {
    readonly id: string;
    readonly reason: string;
    readonly redriven: object | null;
  }
  const listed = async () => {
    const { dead } = await shell.json(['redrive', 'list', '--limit', '1000']);
    return dead as unknown as readonly Dead[];
  };
  const shown = (id: string) => shell.run(['redrive', 'show', id]);
  const before = await listed();
  const payloads = new Map<string, string>();
  for (const { id } of before) payloads.set((await shown(id)).output, id);
  const [strange, unreadable] = PLANTED.map((text) => payloads.get(text));
  assert.ok(strange !== undefined && unreadable !== undefined, 'what was planted is not listed with its bytes');
  for (const words of [['redrive'], ['redrive', 'list', '--limit', '1000']]) {
    const text = await shell.well(words);
    for (const id of [strange, unreadable]) assert.match(text, new RegExp(` \\d+ bytes {2}${id}`));
    assert.match(text, /\n {2}RecordError: unreadable record: no header\n/);
  }
  const { code, errors } = await shown(unreadable);
  assert.equal(code, 0);
  assert.match(errors, /\nRecordError: unreadable record: no header\n/);
  const whole = await shell.json(['redrive', 'show', unreadable]);
  assert.deepEqual([whole.text, Buffer.from(String(whole.payload), 'base64').toString()], [PLANTED[1], PLANTED[1]]);

  assert.match(await shell.well(['redrive', 'put', strange]), new RegExp(`^${strange} {2}put back to \\S+\n$`));
  const again = await shell.well(['redrive', 'put', strange]);
  assert.match(again, new RegExp(`^${strange} {2}was put back before, to \\S+\n$`));
  const put = await shell.json(['redrive', 'put', strange]);
  assert.deepEqual(put.refused, []);
  await shell.home.processed();
  await until(async () => assert.equal((await listed()).length, before.length + 1));
  assert.notEqual((await listed()).find(({ id }) => id === strange)?.redriven, null);
  await shell.refused(['redrive', 'put', unreadable], { code: 2, errors: /^dead_unreadable: it cannot be put back: / });
  await shell.refused(['redrive', 'put'], { code: 2, errors: /^error: name the ids of records/ });
  const all = await shell.run(['redrive', 'put', '--all', '--json']);
  const told = JSON.parse(all.output) as {
    readonly put: readonly object[];
    readonly refused: readonly Dead[];
  };
  assert.deepEqual([all.code, told.put.length, told.refused.map(({ id }) => id)], [1, 1, [unreadable]]);
  await shell.home.processed();
  await shell.refused(['redrive', 'show', 'none'], { code: 2, errors: /^not_found: / });
  return 'dead records listed, shown, put back';
}

async function foldedAnew(shell: Shell): Promise<string> {
  const day = quietDay();
  const pages = Array.from({ length: 5 }, (_, place) => ({
    ...{ type: 'page', messageId: `anew-${place}`, anonymousId: 'anew', properties: { path: '/anew' } },
    timestamp: `${day}T10:0${place}:00.000Z`,
  }));
  await shell.send(pages);
  const count = async () => {
    const end = Date.now() + FOLLOWS_WITHIN_MS;
    for (;;) {
      const { rows } = await shell.json(['stats', 'events', '--from', `${day}T00:00:00Z`, '--to', `${day}T23:00:00Z`]);
      const sum = (rows as readonly { readonly value: number }[]).reduce((all, { value }) => all + value, 0);
      if (sum === pages.length || Date.now() > end) return sum;
      await sleep(100);
    }
  };
  assert.equal(await count(), pages.length);
  assert.match(await shell.well(['rebuild']), /^traffic +.+\nsessions +.+\nproperties-seen +.+\n$/);
  assert.match(await shell.well(['rebuild', 'traffic']), /^traffic will be folded anew; see: clickstream rebuild\n$/);
  // On AWS it is a schedule that goes on with it.
  const meanwhile = async <T>(run: Promise<T>): Promise<T> => {
    let isOver = false;
    const end = run.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await shell.home.maintained();
      await sleep(100);
    }
    return end;
  };
  assert.match(
    await meanwhile(shell.well(['rebuild', 'traffic', '--follow'])),
    /^traffic +folded anew .+: [\d,]+ events\n$/,
  );
  assert.equal(await count(), pages.length);
  assert.deepEqual(await shell.json(['rebuild', 'sessions']), { view: 'sessions' });
  const done = await meanwhile(shell.json(['rebuild', 'sessions', '--follow']));
  assert.equal(done.state, 'finished');
  const { rebuilds } = await shell.json(['rebuild']);
  const states = (rebuilds as readonly { readonly view: string; readonly state: string }[]).map(({ view, state }) => [
    view,
    state,
  ]);
  assert.deepEqual(states.slice(0, 2), [
    ['traffic', 'finished'],
    ['sessions', 'finished'],
  ]);
  await shell.refused(['rebuild', 'none'], {
    code: 2,
    errors: /^view_unknown: there is no view "none"; there are: traffic, /,
  });
  await shell.refused(['rebuild', '--follow'], { code: 2, errors: /^error: name the view/ });
  return 'two views folded anew';
}

async function erasedAndExported(shell: Shell): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-commands-'));
  const [person, device, other] = ['person', 'device', 'other'].map((name) => `${shell.marker}-${name}`);
  const event = (part: object) => ({ type: 'track', event: shell.typeOf('Erased'), ...part });
  const day = quietDay();
  try {
    await shell.send([
      event({ anonymousId: device, timestamp: `${day}T10:00:00.000Z` }),
      event({ anonymousId: device, userId: person, timestamp: `${day}T10:01:00.000Z` }),
      event({ anonymousId: device, timestamp: 'no time' }),
      event({ anonymousId: other, timestamp: `${day}T10:02:00.000Z` }),
    ]);
    const lines = (text: string) => text.split('\n').filter((line) => line !== '');
    const kinds = (text: string) => lines(text).map((line) => (JSON.parse(line) as { readonly kind: string }).kind);
    const all = ['visitor', 'event', 'event', 'bad'];
    assert.deepEqual(kinds(await shell.well(['export', person ?? ''])), all);
    const out = join(folder, 'person.ndjson');
    assert.deepEqual(await shell.json(['export', person ?? '', '--out', out]), { lines: 4, out });
    assert.deepEqual(kinds(readFileSync(out, 'utf8')), all);

    // Nobody can be asked here.
    await shell.refused(['erase', person ?? ''], { code: 2, errors: /^error: nobody can be asked here; --yes / });
    const before = await ledger(shell);
    const { id, more } = await shell.json(['erase', person ?? '', '--yes']);
    assert.equal(more, false);
    assert.match(await shell.well(['erase', other ?? '', '--yes']), /^Erasure \S+: \d+ visitors\.\n$/);
    await shell.home.processed();
    assert.match(String(id), /^[0-9a-f-]{36}\.\d+\.\d+$/);
    await until(async () => {
      await shell.home.maintained();
      assert.equal(await shell.well(['export', person ?? '']), '');
      assert.equal(await shell.well(['export', device ?? '']), '');
    });
    assert.equal((await ledger(shell)).stored, before.stored);
    return 'a person exported, and erased';
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function replayed(shell: Shell): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-commands-'));
  try {
    const eventType = shell.typeOf('Archived');
    const event = eventWith({ eventId: eventType, eventType, anonymousId: shell.marker });
    const record = Buffer.from(recordOf([event], { collector: shell.marker })).toString();
    const good = join(folder, 'part-1');
    writeFileSync(good, gzipSync(`${record}\n`));
    const whole = '1 records with 1 events';
    assert.equal(await shell.well(['replay', good, '--dry-run']), `${whole} would be replayed.\n`);
    assert.equal(await shell.well(['replay', good]), `${whole} replayed.\n`);
    await shell.home.processed();
    const stored = JSON.parse(await shell.well(['tail', '--type', eventType, '--limit', '1', '--json']));
    assert.deepEqual([stored.eventId, stored.receivedAt], [event.eventId, event.receivedAt]);
    const before = await ledger(shell);
    const said = await shell.json(['replay', good]);
    assert.deepEqual(said, { files: 1, records: 1, events: 1, refused: [], next: null, dryRun: false });
    await shell.home.processed();
    await until(async () => assert.equal((await ledger(shell)).duplicate, before.duplicate + 1));
    writeFileSync(join(folder, 'part-2'), `what no collector wrote\n${record}\n`);
    const { code, output } = await shell.run(['replay', folder]);
    assert.equal(code, 1);
    assert.match(output, /^\S+part-2:1 {2}byte 0 {2}record_unreadable: 23 bytes are no record: no header\n2 records /);
    assert.match(output, /\n2 records with 2 events replayed, 1 passed over\.\n$/);
    await shell.home.processed();
    return 'an archive replayed, twice';
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function load(shell: Shell): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-commands-'));
  try {
    const sent = join(folder, 'sent.jsonl');
    const words = ['load', '--rate', '40/s', '--for', '2s', '--batch', '10', '--people', '20'];
    const text = await shell.well([...words, '--ledger', sent]);
    assert.match(text, /^sent +80 events \(\d+ of them a second time\) in 8 requests, [\d.]+ s\n/);
    assert.match(
      text,
      /\nacknowledged in +p50 [\s\S]*\nqueryable in +p50 [\s\S]*\ncheck +\d+ events read back: lost 0, doubled 0\n/,
    );
    assert.match(text, /\nEvery acknowledged event is stored exactly once; the ledger balances\.\n$/);
    assert.ok(readFileSync(sent, 'utf8').length > 0);
    const checked = await shell.json(['load', '--check-only', sent]);
    assert.deepEqual([checked.ok, checked.problems], [true, []]);
    const report = await shell.json([...words, '--run', shell.marker, '--seed', '7']);
    assert.deepEqual([report.ok, report.run, report.problems], [true, shell.marker, []]);
    await shell.refused([...words, '--write-key', 'wrong'], { code: 2, errors: /^write_key_wrong: / });
    return 'load of 160 events, each stored once';
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Ledger {
  readonly accepted: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly bad: number;
  readonly dead: number;
  readonly forgotten: number;
  readonly pending: number;
}

async function ledger(shell: Shell): Promise<Ledger> {
  return (await shell.json(['audit'])) as unknown as Ledger;
}

async function audit(shell: Shell): Promise<string> {
  const before = await ledger(shell);
  const event = { type: 'track', event: shell.typeOf('Audited'), anonymousId: 'eve', messageId: shell.marker };
  await shell.send([event, event, { ...event, type: 'nonsense', messageId: `${shell.marker}-bad` }]);
  const after = await shell.json(['audit']);
  const { balanced, deep, problems, lost, unresolved } = after;
  assert.deepEqual([balanced, deep, problems, lost, unresolved], [true, true, [], 0, 0]);
  const counts = after as unknown as Ledger;
  const grown = (name: keyof Ledger) => counts[name] - before[name];
  assert.deepEqual([grown('accepted'), grown('stored'), grown('duplicate'), grown('bad')], [3, 1, 1, 1]);
  const row = (name: string, value: number) => `${name.padEnd(14)}${value.toLocaleString('en-US').padStart(16)}`;
  const text = await shell.well(['audit']);
  const lines = text.split('\n');
  for (const name of ['accepted', 'stored', 'duplicate', 'bad', 'dead', 'pending'] as const) {
    assert.ok(
      lines.some((line) => line.startsWith(row(name, counts[name]))),
      `${name} in ${text}`,
    );
  }
  const { stored, duplicate, bad, dead, forgotten, pending } = counts;
  assert.ok(lines.includes(row('sum', stored + duplicate + bad + dead + forgotten + pending)), text);
  assert.ok(lines.includes('Balanced.'), text);
  assert.equal((await shell.json(['audit', '--shallow'])).deep, false);
  return 'audit balanced';
}

async function until(check: () => Promise<void>): Promise<void> {
  for (const end = Date.now() + FOLLOWS_WITHIN_MS; ; await sleep(200)) {
    try {
      await check();
      return;
    } catch (thrown) {
      if (Date.now() >= end) throw thrown;
    }
  }
}

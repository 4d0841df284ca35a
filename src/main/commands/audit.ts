import type { Command } from 'commander';
import { LIMITS } from '../../core/limits.ts';
import { type AuditStatement, readAudit } from '../load/check.ts';
import type { ApiClient } from './client.ts';
import { ProgressBar } from './progress-bar.ts';
import { EXIT, grouped, type ServerOptions, serverCommand, styled, withServer } from './terminal.ts';

interface AuditOptions extends ServerOptions {
  readonly shallow?: true;
}

const HELP = `
Examples:
  $ clickstream audit
  $ clickstream audit --json
  $ clickstream audit --url https://events.internal --token "$TOKEN"

Holds what the collectors acknowledged against what became of it, and counts the stored events one by one.

Exit codes: 0 it balances and nothing is wrong; 1 it does not balance, or a problem was found; 2 usage; 3 the
server is unreachable.`;

/** `clickstream audit`: the ledger as a short statement, each problem named. */
export function auditCommand(): Command {
  return serverCommand('audit', 'Prove that everything accepted is accounted for, or say where it is not')
    .option(
      '--shallow',
      'do not count the stored events one by one: quicker, but one event gone or doubled does not show',
    )
    .addHelpText('after', HELP)
    .action((options: AuditOptions) =>
      withServer(options, async (client) => {
        const statement = await shownAudit(client, options);
        process.stdout.write(options.json === true ? `${JSON.stringify(statement.raw)}\n` : statementText(statement));
        return isWell(statement) ? EXIT.well : EXIT.notWell;
      }),
    );
}

/** To count all events takes some 10 µs each. */
async function shownAudit(client: ApiClient, { shallow, json }: AuditOptions): Promise<AuditStatement> {
  const begunMs = performance.now();
  const progress = () => {
    const seconds = Math.floor((performance.now() - begunMs) / 1_000);
    return { text: `the stored events are counted, for ${seconds} s now` };
  };
  const bar = json === true ? undefined : new ProgressBar(progress);
  try {
    return await readAudit(client, { deep: shallow !== true });
  } finally {
    bar?.hide();
  }
}

function isWell({ balanced, problemCount }: AuditStatement): boolean {
  return balanced && problemCount === 0;
}

/** An account in two columns: what came in, and where it is. */
export function statementText(statement: AuditStatement): string {
  const { counts, waiting, problems, problemCount, notes } = statement;
  const row = (name: string, value: number, note = '') =>
    `${name.padEnd(14)}${grouped(value).padStart(16)}${note === '' ? '' : `   ${styled('dim', note)}`}`;
  const lines = [
    row('accepted', counts.accepted, 'events of acknowledged records'),
    ...(counts.redelivered > 0 ? [row('redelivered', counts.redelivered, 'events of further copies of a record')] : []),
    '',
    row('stored', counts.stored, storedNote(counts)),
    row('duplicate', counts.duplicate),
    row('bad', counts.bad, counts.bad > 0 ? 'set aside with reason and bytes: /api/v1/bad' : ''),
    row('dead', counts.dead),
    ...(counts.forgotten > 0
      ? [row('forgotten', counts.forgotten, 'not taken in: from before an erasure of their person')]
      : []),
    row('pending', counts.pending, waiting.length > 0 ? `records wait in ${waiting.join(', ')}` : ''),
    styled('dim', '─'.repeat(30)),
    row('sum', counts.stored + counts.duplicate + counts.bad + counts.dead + counts.forgotten + counts.pending),
    '',
    row('lost', counts.lost, 'records acknowledged and nowhere'),
    row('unresolved', counts.unresolved, counts.unresolved > 0 ? 'records nowhere, not known to be acknowledged' : ''),
    ...(counts.unwitnessed > 0
      ? [row('unwitnessed', counts.unwitnessed, 'records whose collectors have not spoken of them yet')]
      : []),
    '',
    isWell(statement)
      ? styled(['green', 'bold'], 'Balanced.')
      : styled(['red', 'bold'], `Not balanced: ${grouped(problemCount)} problem${problemCount === 1 ? '' : 's'}.`),
  ];
  for (const { kind, detail } of problems) lines.push(`${styled('red', kind)}  ${detail}`);
  if (problemCount > problems.length) lines.push(`and ${grouped(problemCount - problems.length)} more`);
  for (const { kind, detail } of notes.slice(0, LIMITS.loadNamedMax))
    lines.push(styled('dim', `note: ${kind}  ${detail}`));
  return `${lines.join('\n')}\n`;
}

function storedNote({ expired, erased }: AuditStatement['counts']): string {
  const gone = [expired > 0 && `${grouped(expired)} expired`, erased > 0 && `${grouped(erased)} erased`].filter(
    Boolean,
  );
  return gone.length === 0 ? '' : `of them ${gone.join(', ')} since`;
}

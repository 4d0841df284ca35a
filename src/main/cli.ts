import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { asClickstreamError } from '../core/errors.ts';
import { auditCommand } from './commands/audit.ts';
import { loadCommand } from './commands/load.ts';
import { serveCommand } from './commands/serve.ts';
import { statsCommand } from './commands/stats.ts';
import { tailCommand } from './commands/tail.ts';

const program = new Command('clickstream')
  .description('Takes in and processes clickstream events: private, real-time, losing nothing.')
  .version(version())
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError('(--help shows the options and examples)')
  .exitOverride()
  .addCommand(serveCommand())
  .addCommand(loadCommand())
  .addCommand(tailCommand())
  .addCommand(statsCommand())
  .addCommand(auditCommand());

try {
  await program.parseAsync();
} catch (thrown) {
  process.exitCode = exitCodeOf(thrown);
}

function version(): string {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(file) as { readonly version: string }).version;
}

/** Commander has printed its own errors; others are printed with their code and cure. Usage is 2, all else 1. */
function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2;
  const error = asClickstreamError(thrown);
  process.stderr.write(`${error.code}: ${error.message}\n  ${error.cure}\n`);
  return error.code === 'config_invalid' || error.code === 'open_without_keys' ? 2 : 1;
}

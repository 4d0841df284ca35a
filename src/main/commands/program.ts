import type { Command } from 'commander';
import { VERSION } from '../../core/version.ts';
import { auditCommand } from './audit.ts';
import { badCommand } from './bad.ts';
import { completionCommand } from './completion.ts';
import { configCommand } from './config.ts';
import { eraseCommand } from './erase.ts';
import { exportCommand } from './export.ts';
import { loadCommand } from './load.ts';
import { proveCommand } from './prove.ts';
import { rebuildCommand } from './rebuild.ts';
import { receiptCommand } from './receipt.ts';
import { redriveCommand } from './redrive.ts';
import { replayCommand } from './replay.ts';
import { serveCommand } from './serve.ts';
import { statsCommand } from './stats.ts';
import { tailCommand } from './tail.ts';
import { plainCommand } from './terminal.ts';

const HELP = `
Examples:
  $ clickstream serve
  $ clickstream config init && clickstream serve --config clickstream.json
  $ clickstream stats pageviews --by page --from 7d

Each command has help of its own: clickstream stats --help

Exit codes: 0 well; 1 the command found something wrong, or failed; 2 usage or configuration; 3 the server is
unreachable.`;

/** The whole command line. Usage errors, and help and version once they are printed, are thrown as CommanderError. */
export function createProgram(): Command {
  return plainCommand('clickstream', 'Takes in and processes clickstream events: private, real-time, losing nothing.')
    .version(VERSION, '--version', 'print the version')
    .addCommand(serveCommand())
    .addCommand(loadCommand())
    .addCommand(proveCommand())
    .addCommand(tailCommand())
    .addCommand(statsCommand())
    .addCommand(receiptCommand())
    .addCommand(badCommand())
    .addCommand(redriveCommand())
    .addCommand(replayCommand())
    .addCommand(rebuildCommand())
    .addCommand(eraseCommand())
    .addCommand(exportCommand())
    .addCommand(auditCommand())
    .addCommand(configCommand())
    .addCommand(completionCommand())
    .addHelpText('after', HELP);
}

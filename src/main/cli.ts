import { createProgram } from './commands/program.ts';
import { reportFailure } from './commands/terminal.ts';

const words = process.argv.slice(2);
try {
  // Who names no command is new here, and wants to see what there is.
  await createProgram().parseAsync(words.length === 0 ? ['--help'] : words, { from: 'user' });
} catch (thrown) {
  process.exitCode = reportFailure(thrown);
}

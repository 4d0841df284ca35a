/** The command line, the page and what is open to all, through the load balancer: the scripts that npm test plays on one machine. */
import { PLANTED, playCommands } from '../homes/commands.ts';
import type { CommandHome } from '../homes/shell.ts';
import type { Scene } from './scenes.ts';
import type { Stage } from './stage.ts';

function homeOf({ access, emulator }: Stage): CommandHome {
  return { ...access, processed: () => emulator.drained() };
}

export const COMMAND_SCENES: readonly Scene[] = [
  {
    title: 'the command line: every command that asks a server, as on one machine',
    play: async (stage) => {
      const { emulator, output } = stage;
      for (const Data of PLANTED) {
        const record = { StreamName: output('StreamName'), PartitionKey: 'planted', Data };
        await emulator.call('kinesis', 'put_record', record);
      }
      await emulator.drained();
      return playCommands(homeOf(stage));
    },
  },
];

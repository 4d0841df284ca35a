/** The command line, the page and what is open to all, through the load balancer: the scripts that npm run test:slow plays on one machine. */
import { launchChromium } from '../browser/chromium.ts';
import { PLANTED, playCommands } from '../homes/commands.ts';
import { livePage } from '../homes/live-page.ts';
import { openPaths } from '../homes/open-paths.ts';
import type { CommandHome } from '../homes/shell.ts';
import { ACCOUNT, REGION } from './emulator.ts';
import type { Scene } from './scenes.ts';
import { scheduleOf } from './schedules.ts';
import type { Stage } from './stage.ts';

/** What is shorter is no name that tells of anything, and is found by chance. */
const NAME_CHARS_MIN = 8;

function homeOf(stage: Stage): CommandHome {
  const maintained = async () => {
    await (await scheduleOf(stage, 'process', 'maintain')).invoke();
  };
  return { ...stage.access, processed: () => stage.emulator.drained(), maintained };
}

export const COMMAND_SCENES: readonly Scene[] = [
  {
    title: 'through the load balancer: every command that asks a server, as on one machine',
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
  {
    title:
      'through the load balancer: page, document, health and readiness are open to all, and tell nothing of events and resources',
    play: (stage) => openPaths(homeOf(stage), namesOf(stage)),
  },
  {
    title: 'through the load balancer: the page in a real browser asks for the token, and shows events as they come',
    play: async (stage) => {
      const browser = await launchChromium();
      try {
        return await livePage(browser, homeOf(stage));
      } finally {
        await browser.close();
      }
    },
  },
];

/** Of all that the stack made, and of where it is. */
function namesOf({ deployment, functions }: Stage): readonly string[] {
  const made = deployment.resources.flatMap(({ LogicalResourceId, PhysicalResourceId }) => [
    ...[LogicalResourceId, PhysicalResourceId, PhysicalResourceId.split(/[:/]/).at(-1) ?? ''],
  ]);
  const names = [
    ...made,
    ...Object.values(deployment.outputs),
    ...Object.values(functions),
    ACCOUNT,
    REGION,
    'arn:aws',
  ];
  return [...new Set(names)].filter(({ length }) => length >= NAME_CHARS_MIN);
}

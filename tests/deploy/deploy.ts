/**
 * Deploys the unmodified stack on the emulator, uses it through its load balancer with faults, and destroys it. Prints what
 * was shown; exits with 1 when something was not, and with 75 when the emulator itself ended or did not start.
 *
 *   node tests/deploy/deploy.ts [--choices] [--only <part of a title>] [--load 10000/min] [--for 60s] [--batch 20] [--keep]
 *
 * --choices deploys what is no default: on demand, with a certificate and the archive. --load also plays `clickstream load`
 * at that rate through the load balancer; --keep leaves all running until Ctrl-C.
 */
import { once } from 'node:events';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Cdk } from './cdk.ts';
import { planChoices } from './choices.ts';
import type { Emulator } from './emulator.ts';
import { playLoad } from './load.ts';
import { onEmulator } from './on-emulator.ts';
import { DEFAULTS, type Plan } from './plan.ts';
import type { Scene } from './scenes.ts';
import { openStage, type Stage } from './stage.ts';

const {
  only,
  load,
  for: duration,
  batch,
  keep,
  choices,
} = parseArgs({
  options: {
    only: { type: 'string' },
    load: { type: 'string' },
    for: { type: 'string', default: '60s' },
    batch: { type: 'string', default: '20' },
    keep: { type: 'boolean', default: false },
    choices: { type: 'boolean', default: false },
  },
}).values;

interface Shown {
  readonly title: string;
  readonly seconds: number;
  readonly seen: string;
  readonly isShown: boolean;
}
const shown: Shown[] = [];

async function show(title: string, play: () => Promise<string>): Promise<boolean> {
  const started = performance.now();
  const secondsSince = () => Math.round((performance.now() - started) / 100) / 10;
  try {
    shown.push({ title, seen: await play(), seconds: secondsSince(), isShown: true });
  } catch (thrown) {
    const seen = (thrown instanceof Error ? thrown.message : String(thrown)).replace(/\s+/g, ' ').slice(0, 900);
    shown.push({ title, seen, seconds: secondsSince(), isShown: false });
  }
  const last = shown.at(-1);
  if (last !== undefined) {
    console.log(
      `${last.isShown ? 'shown ' : 'FAILED'} ${last.seconds.toFixed(1).padStart(6)} s  ${last.title}\n${' '.repeat(17)}${last.seen}`,
    );
  }
  return last?.isShown === true;
}

await onEmulator(async (emulator) => {
  const plan = choices ? await planChoices(emulator) : DEFAULTS;
  const cdk = new Cdk(emulator, {
    folder: resolve(import.meta.dirname, '../../infra'),
    command: 'node bin/app.ts',
    stack: 'TapStack',
    stackName: plan.stackName,
    parameters: plan.parameters,
  });
  const started = performance.now();
  try {
    await deployAndPlay(emulator, { plan, cdk });
  } finally {
    if (isAllShown()) cdk.clear();
    else console.log(`see ${cdk.log}, kept`);
  }
  const seconds = Math.round((performance.now() - started) / 1_000);
  console.log(`\n${shown.filter(({ isShown }) => isShown).length} of ${shown.length} shown in ${seconds} s`);
  return isAllShown();
});

function isAllShown(): boolean {
  return shown.every(({ isShown }) => isShown);
}

async function deployAndPlay(
  emulator: Emulator,
  { plan, cdk }: { readonly plan: Plan; readonly cdk: Cdk },
): Promise<void> {
  let stage: Stage | undefined;
  const isDeployed =
    (await show('bootstrapped', async () => {
      await cdk.bootstrap();
      return 'the real command';
    })) &&
    (await show('deployed, the template unmodified', async () => {
      const deployment = await cdk.deploy();
      stage = await openStage(emulator, deployment);
      return `${deployment.resources.length} resources, ${Object.keys(deployment.outputs).length} outputs`;
    }));
  if (isDeployed && stage !== undefined) {
    const current = stage;
    const playScene = async ({ title, play }: Scene) => {
      if (only === undefined || title.includes(only)) await show(title, () => play(current));
      await emulator.faults([]);
    };
    for (const scene of plan.scenes) await playScene(scene);
    if (load !== undefined) {
      const options = { rate: load, for: duration, batch };
      await show(`clickstream load at ${load} for ${duration}, ${batch} events a request`, () =>
        playLoad(current, options),
      );
    }
    for (const scene of plan.last) await playScene(scene);
    if (keep) {
      console.log(current.access, emulator.environment, emulator.log);
      await once(process, 'SIGINT');
    }
    await show('destroyed, with its data', async () => {
      await cdk.destroy();
      const { StackSummaries } = await emulator.call<{
        readonly StackSummaries: readonly { readonly StackName: string; readonly StackStatus: string }[];
      }>('cloudformation', 'list_stacks');
      const left = StackSummaries.filter(({ StackStatus }) => StackStatus !== 'DELETE_COMPLETE');
      if (left.some(({ StackName }) => StackName.startsWith('TapStack'))) throw new Error('the stack is still there');
      return 'no stack of ours is left';
    });
  }
}

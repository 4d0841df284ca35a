/** What is deployed, and what is then shown on it. */
import { LOSS, LOSS_NAMED } from './lost-record.ts';
import { REMOVALS, SCENES, type Scene } from './scenes.ts';

export interface Plan {
  readonly stackName: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly scenes: readonly Scene[];
  /** Played after the load. */
  readonly last: readonly Scene[];
}

export const DEFAULTS: Plan = {
  stackName: 'TapStack-clickstream-dev',
  // Fewer shards, for each costs a process here; the data goes with the stack.
  parameters: { deleteData: 'on', shardCount: '3' },
  scenes: SCENES,
  last: [LOSS, REMOVALS, LOSS_NAMED],
};

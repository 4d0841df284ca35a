import type { TableClient } from '../../../src/adapters/aws/dynamo-client.ts';
import { MemoryDynamo } from '../memory-dynamo.ts';
import type { Scheduler } from './clock.ts';

export const TABLES = { events: 'events', state: 'state' };

/** Waits for ever when whoever calls must not go on any more. */
export type Alive = () => Promise<void>;

/** The model of DynamoDB under the scheduler: each call waits for its turn before it takes place, and again before it is answered. */
export class SimulatedTable {
  readonly dynamo = new MemoryDynamo();
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler, { trouble }: { readonly trouble: number }) {
    this.#scheduler = scheduler;
    const isTroubled = () => scheduler.chance(trouble);
    this.dynamo.faults = {
      turn: scheduler.turn,
      sleep: () => scheduler.sleep(scheduler.below(1_000)),
      isThrottled: isTroubled,
      isLost: isTroubled,
      isUnprocessed: isTroubled,
      isStale: () => scheduler.chance(0.5),
    };
  }

  /** For one that may die, and whose calls may hang: now and then long enough that its function times out. */
  clientOf(alive: Alive, { stalls }: { readonly stalls: number }): TableClient {
    const { client, faults } = this.dynamo;
    const send = async (command: Parameters<TableClient['send']>[0]) => {
      await alive();
      if (this.#scheduler.chance(stalls)) await this.#scheduler.sleep(this.#scheduler.below(200_000));
      await alive();
      return client.send(command);
    };
    return { send: send as TableClient['send'], sleep: () => faults.sleep() };
  }

  /** From now on everything is answered, and at once. */
  calm(): void {
    const never = () => false;
    const atOnce = async () => undefined;
    this.dynamo.faults = {
      turn: atOnce,
      sleep: atOnce,
      isThrottled: never,
      isLost: never,
      isUnprocessed: never,
      isStale: never,
    };
  }
}

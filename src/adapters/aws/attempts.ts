import { DeleteItemCommand, type DynamoDBClient, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { LIMITS } from '../../core/limits.ts';
import type { Clock } from '../../core/time.ts';
import { type Item, keyOf, number, numberOf, sequenceText, text } from './items.ts';
import { EXPIRES_AT } from './tables.ts';

/** How often a record was tried. Kept outside the function, for a record may end it. */
export interface Attempts {
  /** Notes one more try before it is made, and returns how many there are with it. */
  begin(lane: string, sequence: bigint): Promise<number>;
  /** Forgets the tries. */
  clear(lane: string, sequence: bigint): Promise<void>;
}

/** Attempts as items of the table `state`: pk `attempts` and the lane, sk the sequence. They expire by themselves. */
export class DynamoAttempts implements Attempts {
  readonly #client: Pick<DynamoDBClient, 'send'>;
  readonly #table: string;
  readonly #clock: Clock;

  constructor(options: {
    readonly client: Pick<DynamoDBClient, 'send'>;
    readonly table: string;
    /** @default Date.now */
    readonly clock?: Clock;
  }) {
    this.#client = options.client;
    this.#table = options.table;
    this.#clock = options.clock ?? Date.now;
  }

  async begin(lane: string, sequence: bigint): Promise<number> {
    const expiresAt = Math.floor(this.#clock() / 1_000) + LIMITS.recordTriesKeptHours * 3_600;
    const { Attributes } = await this.#client.send(
      new UpdateItemCommand({
        TableName: this.#table,
        Key: keyItem(lane, sequence),
        UpdateExpression: 'ADD tries :one SET #expiresAt = :expiresAt',
        ExpressionAttributeNames: { '#expiresAt': EXPIRES_AT },
        ExpressionAttributeValues: { ':one': number(1), ':expiresAt': number(expiresAt) },
        ReturnValues: 'ALL_NEW',
      }),
    );
    return numberOf(Attributes ?? {}, 'tries');
  }

  async clear(lane: string, sequence: bigint): Promise<void> {
    await this.#client.send(new DeleteItemCommand({ TableName: this.#table, Key: keyItem(lane, sequence) }));
  }
}

function keyItem(lane: string, sequence: bigint): Item {
  return { pk: text(keyOf('attempts', lane)), sk: text(sequenceText(sequence)) };
}

import { setTimeout as wait } from 'node:timers/promises';
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandInput,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import { backoffMs } from './backoff.ts';
import { connections } from './connections.ts';
import { type Item, keyOf, text, textOf } from './items.ts';

/** A client that keeps its connections; its own retries are of throttles and faults, with jittered backoff. */
export function createDynamoClient(
  options: { readonly endpoint?: string; readonly region?: string } = {},
): DynamoDBClient {
  return new DynamoDBClient({
    ...options,
    maxAttempts: LIMITS.dynamoTries,
    requestHandler: connections({ requestMsMax: LIMITS.awsRequestMsMax }),
  });
}

/** As much of DynamoDB's client as a table asks for. */
export interface TableClient extends Pick<DynamoDBClient, 'send'> {
  /** Between tries of what came back unprocessed. @default a timer */
  readonly sleep?: (ms: number) => Promise<unknown>;
}

export interface Key {
  readonly pk: string;
  readonly sk: string;
}

export function keyOfItem(item: Item): Key {
  return { pk: textOf(item, 'pk'), sk: textOf(item, 'sk') };
}

/** Of `put`: it took place, or was refused for this item that is there. */
export type Put = { readonly kind: 'put' } | { readonly kind: 'refused'; readonly found: Item | undefined };

export interface Condition {
  readonly expression: string;
  readonly names?: Readonly<Record<string, string>>;
  readonly values?: Item;
}

const IF_ABSENT: Condition = { expression: 'attribute_not_exists(pk)' };

/** What the store and its reader ask of one table. Reads are strongly consistent unless they say otherwise. */
export class DynamoTable {
  readonly #client: TableClient;
  readonly name: string;

  constructor(client: TableClient, name: string) {
    this.#client = client;
    this.name = name;
  }

  async get({ pk, sk }: Key): Promise<Item | undefined> {
    const { Item: found } = await this.#client.send(
      new GetItemCommand({ TableName: this.name, Key: { pk: text(pk), sk: text(sk) }, ConsistentRead: true }),
    );
    return found;
  }

  /**
   * Those that are there, each once, in no order. What comes back unprocessed is asked for again: it is not absent. DynamoDB
   * refuses a request that names a key twice.
   */
  async getAll(keys: readonly Key[]): Promise<readonly Item[]> {
    const found: Item[] = [];
    const distinct = new Map(keys.map(({ pk, sk }) => [keyOf(pk, sk), { pk: text(pk), sk: text(sk) }]));
    let waiting: Item[] = [...distinct.values()];
    for (let tries = 0; waiting.length > 0; ) {
      const asked = waiting.slice(0, LIMITS.dynamoBatchGetMax);
      const { Responses, UnprocessedKeys } = await this.#client.send(
        new BatchGetItemCommand({ RequestItems: { [this.name]: { Keys: asked, ConsistentRead: true } } }),
      );
      found.push(...(Responses?.[this.name] ?? []));
      const unprocessed = UnprocessedKeys?.[this.name]?.Keys ?? [];
      waiting = [...waiting.slice(asked.length), ...unprocessed];
      tries = unprocessed.length === asked.length ? tries + 1 : 0;
      if (unprocessed.length > 0) await this.#backOff(tries, 'reads');
    }
    return found;
  }

  /** Puts an item if the condition holds of the one that is there, or if none is there. */
  async put(item: Item, condition: Condition = IF_ABSENT): Promise<Put> {
    try {
      await this.#client.send(
        new PutItemCommand({
          TableName: this.name,
          Item: item,
          ConditionExpression: condition.expression,
          ...(condition.names && { ExpressionAttributeNames: condition.names }),
          ...(condition.values && { ExpressionAttributeValues: condition.values }),
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
      );
      return { kind: 'put' };
    } catch (thrown) {
      if (!(thrown instanceof ConditionalCheckFailedException)) throw thrown;
      // Where the refusal does not tell what is there, it is read; it may be gone by then.
      const found = thrown.Item ?? (await this.get({ pk: textOf(item, 'pk'), sk: textOf(item, 'sk') }));
      return { kind: 'refused', found };
    }
  }

  /** Puts whatever is there, for what is the same each time it is put. */
  async set(item: Item): Promise<void> {
    await this.#client.send(new PutItemCommand({ TableName: this.name, Item: item }));
  }

  /** Deletes an item that has this there; one that is another by now, or gone, stays as it is. Whether it went now. */
  async deleteIf(
    { pk, sk }: Key,
    { name, value }: { readonly name: string; readonly value: string | number },
  ): Promise<boolean> {
    const is = typeof value === 'number' ? { N: String(value) } : text(value);
    try {
      await this.#client.send(
        new DeleteItemCommand({
          TableName: this.name,
          Key: { pk: text(pk), sk: text(sk) },
          ConditionExpression: '#name = :value',
          ExpressionAttributeNames: { '#name': name },
          ExpressionAttributeValues: { ':value': is },
        }),
      );
      return true;
    } catch (thrown) {
      if (!(thrown instanceof ConditionalCheckFailedException)) throw thrown;
      return false;
    }
  }

  async deleteAll(keys: readonly Key[]): Promise<void> {
    let waiting = keys.map(({ pk, sk }) => ({ DeleteRequest: { Key: { pk: text(pk), sk: text(sk) } } }));
    for (let tries = 0; waiting.length > 0; ) {
      const asked = waiting.slice(0, LIMITS.dynamoBatchWriteMax);
      const { UnprocessedItems } = await this.#client.send(
        new BatchWriteItemCommand({ RequestItems: { [this.name]: asked } }),
      );
      const unprocessed = (UnprocessedItems?.[this.name] ?? []) as typeof asked;
      waiting = [...waiting.slice(asked.length), ...unprocessed];
      tries = unprocessed.length === asked.length ? tries + 1 : 0;
      if (unprocessed.length > 0) await this.#backOff(tries, 'writes');
    }
  }

  /** Items of a partition in the order of `sk` (or of an index), page by page; `limit` is of a page. */
  async *query(input: Omit<QueryCommandInput, 'TableName'>): AsyncGenerator<Item, void> {
    let start: Item | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          ConsistentRead: input.IndexName === undefined,
          ...input,
          TableName: this.name,
          ...(start && { ExclusiveStartKey: start }),
        }),
      );
      yield* page.Items ?? [];
      start = page.LastEvaluatedKey;
    } while (start !== undefined);
  }

  /** All items of a partition whose `sk` is in [from, to). */
  async *partition(
    pk: string,
    range: { readonly from?: string; readonly to?: string } = {},
  ): AsyncGenerator<Item, void> {
    const { to } = range;
    // DynamoDB takes no empty text for a key; everything comes after it.
    const from = range.from === '' ? undefined : range.from;
    // A key condition takes one comparison of the range key: BETWEEN includes its end, which is passed over.
    const isBetween = from !== undefined && to !== undefined;
    const sort = isBetween ? ' AND sk BETWEEN :from AND :to' : from !== undefined ? ' AND sk >= :from' : '';
    const found = this.query({
      KeyConditionExpression: `pk = :pk${sort}`,
      ExpressionAttributeValues: {
        ':pk': text(pk),
        ...(from !== undefined && { ':from': text(from) }),
        ...(isBetween && { ':to': text(to) }),
      },
    });
    for await (const item of found) {
      if (to === undefined || textOf(item, 'sk') < to) yield item;
    }
  }

  /** One page of the whole table, from a place on. */
  async scan(place: {
    readonly after: Item | undefined;
    readonly limit: number;
  }): Promise<{ readonly items: readonly Item[]; readonly after: Item | undefined }> {
    const { Items = [], LastEvaluatedKey } = await this.#client.send(
      new ScanCommand({
        TableName: this.name,
        ConsistentRead: true,
        Limit: place.limit,
        ...(place.after && { ExclusiveStartKey: place.after }),
      }),
    );
    return { items: Items, after: LastEvaluatedKey };
  }

  /** Throws after `dynamoTries`. */
  async #backOff(tries: number, what: string): Promise<void> {
    if (tries >= LIMITS.dynamoTries) throw new ClickstreamError('overloaded', `${this.name}: ${what} are throttled`);
    const { dynamoBackoffMsMin: msMin, dynamoBackoffMsMax: msMax } = LIMITS;
    await (this.#client.sleep ?? wait)(backoffMs({ tries: tries + 1, msMin, msMax, random: Math.random }));
  }
}

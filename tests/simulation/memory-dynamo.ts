import {
  type AttributeValue,
  BatchGetItemCommand,
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  DynamoDBServiceException,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';

import type { TableClient } from '../../src/adapters/aws/dynamo-client.ts';

type Item = Record<string, AttributeValue>;

/** What may go wrong with a call, decided anew for each. */
export interface DynamoFaults {
  /** A turn of the scheduler, in which others may go first. */
  readonly turn: () => Promise<void>;
  /** Who backs off lets others go first, for longer. No clock is in it: a history is the same each time it is played. */
  readonly sleep: () => Promise<void>;
  /** The call fails, and nothing took place. */
  readonly isThrottled: () => boolean;
  /** The call took place, and its answer is lost. */
  readonly isLost: () => boolean;
  /** A key of a batch comes back unprocessed. */
  readonly isUnprocessed: () => boolean;
  /** A read that does not ask for consistency sees an item as it was before its last write. */
  readonly isStale: () => boolean;
}

const NO_FAULTS: DynamoFaults = {
  turn: async () => undefined,
  sleep: async () => undefined,
  isThrottled: () => false,
  isLost: () => false,
  isUnprocessed: () => false,
  isStale: () => false,
};

/**
 * As much of DynamoDB as the store asks for, in memory: a model for faults and interleavings that a real one cannot be made to
 * show. Whatever it lacks it refuses.
 *
 * Each rule has AWS's page; [API] is https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/, [guide] is
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/:
 *   throttled, failed   [guide] Programming.Errors.html: a throttled call does nothing, and is to be tried again; one that timed out
 *                       or got a 5xx may have taken place all the same
 *   one item at a time  [guide] HowItWorks.ReadConsistency.html: a strongly consistent read sees every write that was answered before.
 *                       Reads of an index cannot be that; here they are, so nothing that is shown with it is about their lag
 */
export class MemoryDynamo {
  readonly tables = new Map<string, Map<string, Item>>();
  faults: DynamoFaults = NO_FAULTS;
  /** Each item as it was before its last write, by table and key. */
  readonly #before = new Map<string, Item | undefined>();

  get client(): TableClient {
    const send = (command: unknown) => this.#send(command);
    return { send, sleep: () => this.faults.sleep() } as unknown as TableClient;
  }

  itemsOf(table: string): readonly Item[] {
    return [...this.#table(table).values()].sort(byKey);
  }

  async #send(command: unknown): Promise<unknown> {
    await this.faults.turn();
    if (this.faults.isThrottled()) throw faultOf('ThrottlingException', 'throttled');
    const answer = this.#answer(command);
    await this.faults.turn();
    if (this.faults.isLost()) throw faultOf('TimeoutError', 'timed out');
    if (answer instanceof Error) throw answer;
    return answer;
  }

  /** [API] API_GetItem.html, API_DeleteItem.html; API_Scan.html: a page ends with LastEvaluatedKey, the last one without. */
  #answer(command: unknown): unknown {
    if (command instanceof GetItemCommand) {
      const { TableName = '', Key = {}, ConsistentRead } = command.input;
      return { Item: copyOf(this.#read(TableName, { key: Key, isConsistent: ConsistentRead === true })) };
    }
    if (command instanceof PutItemCommand) return this.#put(command);
    if (command instanceof DeleteItemCommand) {
      const { TableName = '', Key = {}, ConditionExpression } = command.input;
      const found = this.#table(TableName).get(keyText(Key));
      if (ConditionExpression !== undefined && !holds(ConditionExpression, found, command.input)) {
        return new ConditionalCheckFailedException({ message: 'refused', $metadata: {} });
      }
      this.#table(TableName).delete(keyText(Key));
      return {};
    }
    if (command instanceof BatchGetItemCommand) return this.#getAll(command);
    if (command instanceof BatchWriteItemCommand) return this.#deleteAll(command);
    if (command instanceof QueryCommand) return this.#query(command);
    if (command instanceof ScanCommand) {
      const { TableName = '', Limit = 1_000, ExclusiveStartKey } = command.input;
      const after = ExclusiveStartKey === undefined ? '' : keyText(ExclusiveStartKey);
      const rest = this.itemsOf(TableName).filter((item) => keyText(item) > after);
      const page = rest.slice(0, Limit);
      return { Items: page.map(copyOf), LastEvaluatedKey: page.length < rest.length ? keyOf(page.at(-1)) : undefined };
    }
    throw new Error('the model lacks this command');
  }

  /**
   * [API] API_PutItem.html: it replaces the whole item; when the condition fails nothing is written, and the item that is there comes back
   * where ReturnValuesOnConditionCheckFailure is ALL_OLD. [guide] Expressions.ConditionExpressions.html.
   */
  #put({ input }: PutItemCommand): unknown {
    const { TableName = '', Item: item = {}, ConditionExpression } = input;
    const found = this.#table(TableName).get(keyText(item));
    if (ConditionExpression !== undefined && !holds(ConditionExpression, found, input)) {
      return new ConditionalCheckFailedException({
        message: 'refused',
        $metadata: {},
        ...(found !== undefined && { Item: copyOf(found) as Item }),
      });
    }
    this.#before.set(`${TableName} ${keyText(item)}`, found);
    this.#table(TableName).set(keyText(item), copyOf(item) as Item);
    return {};
  }

  /**
   * [API] API_BatchGetItem.html: at most 100 keys; in no order; what is not there is left out; what was not read comes back in
   * UnprocessedKeys. That it refuses a key named twice is not on its page; DynamoDB's answer is this one.
   */
  #getAll({ input }: BatchGetItemCommand): unknown {
    const [[table, { Keys = [], ConsistentRead }] = ['', { Keys: [] as Item[], ConsistentRead: false }]] =
      Object.entries(input.RequestItems ?? {});
    if (Keys.length > 100) throw refused('Too many items requested for the BatchGetItem call');
    if (new Set(Keys.map(keyText)).size < Keys.length) throw refused('Provided list of item keys contains duplicates');
    const unprocessed = Keys.filter(() => this.faults.isUnprocessed());
    const items = Keys.filter((key) => !unprocessed.includes(key)).flatMap((key): Item[] => {
      const found = copyOf(this.#read(table, { key, isConsistent: ConsistentRead === true }));
      return found === undefined ? [] : [found];
    });
    return {
      Responses: { [table]: items },
      ...(unprocessed.length > 0 && { UnprocessedKeys: { [table]: { Keys: unprocessed } } }),
    };
  }

  /** [API] API_BatchWriteItem.html: at most 25 requests, no two of one key; to delete what is not there succeeds. */
  #deleteAll({ input }: BatchWriteItemCommand): unknown {
    const [[table, requests] = ['', []]] = Object.entries(input.RequestItems ?? {});
    if (requests.length > 25) throw refused('Too many items requested for the BatchWriteItem call');
    const keys = requests.map(({ DeleteRequest }) => keyText(DeleteRequest?.Key ?? {}));
    if (new Set(keys).size < keys.length) throw refused('Provided list of item keys contains duplicates');
    for (const { DeleteRequest } of requests) this.#table(table).delete(keyText(DeleteRequest?.Key ?? {}));
    return {};
  }

  /**
   * [API] API_Query.html: equality of the hash key, and one comparison of the range key, whose texts are ordered as UTF-8; BETWEEN includes both
   * ends. [guide] HowItWorks.NamingRulesDataTypes.html: no key is an empty text. Pages have no end here; Limit is none.
   */
  #query({ input }: QueryCommand): unknown {
    const { TableName = '', KeyConditionExpression = '', ExpressionAttributeValues: values = {}, IndexName } = input;
    const [hash, range] = IndexName === undefined ? (['pk', 'sk'] as const) : (['typeShard', 'typeOrder'] as const);
    const [first = '', ...rest] = KeyConditionExpression.split(' AND ');
    const [, hashName = ''] = /^\S+ = (:\w+)$/.exec(first) ?? [];
    const textOf = (item: Item, name: string) => item[name]?.S ?? '';
    const isWithin = (item: Item) => {
      const value = textOf(item, range);
      const [low, high] = [values[':from']?.S, values[':to']?.S];
      const text = rest.join(' AND ');
      if (text === '') return true;
      if (text.includes('BETWEEN')) return value >= (low ?? '') && value <= (high ?? '');
      if (text.includes('>=')) return value >= (low ?? '');
      throw new Error(`the model lacks ${text}`);
    };
    if ([values[':from'], values[':to']].some((bound) => bound?.S === ''))
      throw refused('One or more parameter values are not valid: a key is no empty text');
    const sign = input.ScanIndexForward === false ? -1 : 1;
    const items = [...this.#table(TableName).values()]
      .filter((item) => textOf(item, hash) === values[hashName]?.S && isWithin(item))
      .sort((a, b) => sign * (textOf(a, range) < textOf(b, range) ? -1 : 1));
    return { Items: items.map(copyOf) };
  }

  /** Of those that were deleted since nothing older is shown. */
  #read(
    table: string,
    { key, isConsistent }: { readonly key: Item; readonly isConsistent: boolean },
  ): Item | undefined {
    const name = keyText(key);
    const found = this.#table(table).get(name);
    if (isConsistent || found === undefined || !this.faults.isStale()) return found;
    return this.#before.get(`${table} ${name}`);
  }

  #table(name: string): Map<string, Item> {
    const table = this.tables.get(name) ?? new Map<string, Item>();
    this.tables.set(name, table);
    return table;
  }
}

/** As the SDK throws it once its own tries are over. */
function faultOf(name: string, message: string): Error {
  return Object.assign(new Error(message), { name, $metadata: {} });
}

/** [guide] Expressions.OperatorsAndFunctions.html. Alternatives of `attribute_not_exists(a)`, `#a = :b` and `#a < :b`. */
function holds(
  expression: string,
  item: Item | undefined,
  input: Pick<PutItemCommand['input'], 'ExpressionAttributeNames' | 'ExpressionAttributeValues'>,
): boolean {
  return expression.split(' OR ').some((alternative) => {
    const [, absent] = /^attribute_not_exists\((\w+)\)$/.exec(alternative) ?? [];
    if (absent !== undefined) return item?.[absent] === undefined;
    const [, name = '', operator, value = ''] = /^(#\w+) (=|<) (:\w+)$/.exec(alternative) ?? [];
    if (operator === undefined) throw new Error(`the model lacks ${alternative}`);
    const found = item?.[input.ExpressionAttributeNames?.[name] ?? ''];
    const asked = input.ExpressionAttributeValues?.[value];
    if (found === undefined || asked === undefined) return false;
    if (operator === '=') return found.S === asked.S && found.N === asked.N;
    return asked.S === undefined ? Number(found.N) < Number(asked.N) : (found.S ?? '') < asked.S;
  });
}

function refused(message: string): DynamoDBServiceException {
  return new DynamoDBServiceException({ name: 'ValidationException', $fault: 'client', message, $metadata: {} });
}

function keyOf(item: Item | undefined): Item | undefined {
  return item === undefined ? undefined : ({ pk: item.pk, sk: item.sk } as Item);
}

function keyText(item: Item): string {
  return `${item.pk?.S}\u0001${item.sk?.S}`;
}

function byKey(a: Item, b: Item): number {
  return keyText(a) < keyText(b) ? -1 : 1;
}

function copyOf(item: Item | undefined): Item | undefined {
  return item === undefined ? undefined : { ...item };
}

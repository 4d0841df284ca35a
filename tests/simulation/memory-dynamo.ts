import {
  type AttributeValue,
  BatchGetItemCommand,
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';

type Item = Record<string, AttributeValue>;

/** What may go wrong with a call, decided anew for each. */
export interface DynamoFaults {
  /** A turn of the scheduler, in which others may go first. */
  readonly turn: () => Promise<void>;
  /** The call fails, and nothing took place. */
  readonly isThrottled: () => boolean;
  /** The call took place, and its answer is lost. */
  readonly isLost: () => boolean;
  /** A key of a batch comes back unprocessed. */
  readonly isUnprocessed: () => boolean;
}

const NO_FAULTS: DynamoFaults = {
  turn: async () => undefined,
  isThrottled: () => false,
  isLost: () => false,
  isUnprocessed: () => false,
};

/**
 * As much of DynamoDB as the store asks for, in memory: a model for faults and interleavings that a real one cannot be made to
 * show. The contract suite runs over it too, and over an emulator, so that it is no kinder than that one.
 */
export class MemoryDynamo {
  readonly tables = new Map<string, Map<string, Item>>();
  faults: DynamoFaults = NO_FAULTS;

  get client(): Pick<DynamoDBClient, 'send'> {
    return { send: (command: unknown) => this.#send(command) } as unknown as Pick<DynamoDBClient, 'send'>;
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

  #answer(command: unknown): unknown {
    if (command instanceof GetItemCommand) {
      const { TableName = '', Key = {} } = command.input;
      return { Item: copyOf(this.#table(TableName).get(keyText(Key))) };
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
    this.#table(TableName).set(keyText(item), copyOf(item) as Item);
    return {};
  }

  #getAll({ input }: BatchGetItemCommand): unknown {
    const [[table, { Keys = [] }] = ['', { Keys: [] }]] = Object.entries(input.RequestItems ?? {});
    if (Keys.length > 100 || new Set(Keys.map(keyText)).size < Keys.length) throw new Error('a batch that is none');
    const unprocessed = Keys.filter(() => this.faults.isUnprocessed());
    const items = Keys.filter((key) => !unprocessed.includes(key)).flatMap((key): Item[] => {
      const found = copyOf(this.#table(table).get(keyText(key)));
      return found === undefined ? [] : [found];
    });
    return {
      Responses: { [table]: items },
      ...(unprocessed.length > 0 && { UnprocessedKeys: { [table]: { Keys: unprocessed } } }),
    };
  }

  #deleteAll({ input }: BatchWriteItemCommand): unknown {
    const [[table, requests] = ['', []]] = Object.entries(input.RequestItems ?? {});
    if (requests.length > 25) throw new Error('a batch that is none');
    for (const { DeleteRequest } of requests) this.#table(table).delete(keyText(DeleteRequest?.Key ?? {}));
    return {};
  }

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
    if ([values[':from'], values[':to']].some((bound) => bound?.S === '')) throw new Error('a key is no empty text');
    const sign = input.ScanIndexForward === false ? -1 : 1;
    const items = this.itemsOf(TableName)
      .filter((item) => textOf(item, hash) === values[hashName]?.S && isWithin(item))
      .sort((a, b) => sign * (textOf(a, range) < textOf(b, range) ? -1 : 1));
    return { Items: items.map(copyOf) };
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

/** Alternatives of `attribute_not_exists(a)`, `#a = :b` and `#a < :b`. */
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

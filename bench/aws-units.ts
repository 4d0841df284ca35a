/**
 * What a load costs in units of DynamoDB, counted from the calls that the real store makes, by the rules of
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html.
 */
import {
  type AttributeValue,
  BatchGetItemCommand,
  BatchWriteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import { DynamoEventStore } from '../src/adapters/aws/dynamo-event-store.ts';
import { LIMITS } from '../src/core/limits.ts';
import { processBatch } from '../src/process/process-batch.ts';
import { FOLDS, TABLES } from '../tests/simulation/dynamo-protocol.ts';
import { MemoryDynamo } from '../tests/simulation/memory-dynamo.ts';
import { type Arrivals, batchesOf } from './aws-arrivals.ts';

/** What the project promises: write units an event, the index by type and all views included, at 10,000 events a minute. */
export const WRITE_UNITS_MAX = 6;

type Item = Record<string, AttributeValue>;

interface Writes {
  readonly calls: number;
  readonly units: number;
  readonly bytes: number;
}

export interface Units {
  /** By what was written. */
  readonly writes: ReadonlyMap<string, Writes>;
  readonly writeUnits: number;
  readonly readUnits: number;
  readonly batches: number;
  /** Of this machine. */
  readonly processMs: number;
}

function bytesOf(value: AttributeValue): number {
  if (value.S !== undefined) return Buffer.byteLength(value.S);
  if (value.B !== undefined) return value.B.length;
  if (value.N !== undefined) return Math.ceil(value.N.length / 2) + 1;
  if (value.M !== undefined) return 3 + itemBytes(value.M) + Object.keys(value.M).length;
  if (value.L !== undefined) return 3 + value.L.reduce((sum, one) => sum + bytesOf(one) + 1, 0);
  return 1;
}

function itemBytes(item: Item): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + bytesOf(value), 0);
}

/** A table that counts. What it does not know how to count it refuses, so that no new kind of call goes by unseen. */
class Counting {
  readonly writes = new Map<string, Writes>();
  readUnits = 0;
  readonly #client = new MemoryDynamo().client;

  async send(command: unknown): Promise<unknown> {
    // A put that is refused is paid for as well.
    this.#countWrites(command);
    // The model takes any command.
    const answer = await (this.#client.send as (any: unknown) => Promise<unknown>)(command);
    this.#countReads(command, answer);
    return answer;
  }

  #countWrites(command: unknown): void {
    if (command instanceof PutItemCommand) {
      const { Item: item = {}, TableName } = command.input;
      const kind = TableName === TABLES.events ? 'event' : (item.pk?.S ?? '').split('\0')[0];
      this.#wrote(kind ?? '', itemBytes(item));
      const { pk, sk, typeShard, typeOrder } = item;
      if (TableName === TABLES.events && pk && sk && typeShard && typeOrder) {
        this.#wrote('index by type', itemBytes({ pk, sk, typeShard, typeOrder }));
      }
    } else if (command instanceof BatchWriteItemCommand) {
      for (const { DeleteRequest } of Object.values(command.input.RequestItems ?? {}).flat()) {
        if (DeleteRequest === undefined) throw new Error('puts in batches are not counted');
        // More than what is deleted has.
        this.#wrote('deletes', 4_000);
      }
    } else if (![GetItemCommand, BatchGetItemCommand, QueryCommand].some((of) => command instanceof of)) {
      throw new Error(`a ${command?.constructor.name} is not counted`);
    }
  }

  #wrote(kind: string, bytes: number): void {
    const { calls, units, bytes: before } = this.writes.get(kind) ?? { calls: 0, units: 0, bytes: 0 };
    const becomes = { calls: calls + 1, units: units + Math.ceil(bytes / 1_024), bytes: before + bytes };
    this.writes.set(kind, becomes);
  }

  #countReads(command: unknown, answer: unknown): void {
    const items =
      command instanceof GetItemCommand
        ? [(answer as { Item?: Item }).Item ?? {}]
        : command instanceof BatchGetItemCommand
          ? Object.values((answer as { Responses: Record<string, Item[]> }).Responses).flat()
          : [];
    for (const item of items) this.readUnits += Math.max(1, Math.ceil(itemBytes(item) / 4_096));
    if (command instanceof BatchGetItemCommand) {
      const asked = Object.values(command.input.RequestItems ?? {}).flatMap(({ Keys = [] }) => Keys).length;
      this.readUnits += asked - items.length;
    }
    if (command instanceof QueryCommand) this.readUnits += 1;
  }
}

/** Processes all that arrived, and counts. With `journalItemsMax` 0, rows are written with every batch. */
export async function unitsOf(
  { lanes }: Arrivals,
  options: {
    readonly windowMs: number;
    readonly batchMax: number;
    /** @default as the program has it */
    readonly journalItemsMax?: number;
  },
): Promise<Units> {
  const { journalItemsMax = LIMITS.journalItemsMax } = options;
  const counting = new Counting();
  const store = new DynamoEventStore({ client: counting as never, tables: TABLES, folds: FOLDS, journalItemsMax });
  let [batches, processMs] = [0, 0];
  for (const [lane, arrivals] of lanes.entries()) {
    for (const batch of batchesOf(arrivals, options)) {
      const records = batch.map(({ record }) => record);
      const started = performance.now();
      await processBatch({ lane: `shard-${lane}`, records }, store);
      processMs += performance.now() - started;
      batches += 1;
    }
  }
  const writeUnits = [...counting.writes.values()].reduce((sum, { units }) => sum + units, 0);
  return { writes: counting.writes, writeUnits, readUnits: counting.readUnits, batches, processMs };
}

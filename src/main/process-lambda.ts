import { DynamoAttempts } from '../adapters/aws/attempts.ts';
import { createS3Client, DeadLetters } from '../adapters/aws/dead-letters.ts';
import { createDynamoClient } from '../adapters/aws/dynamo-client.ts';
import { DynamoEventReader } from '../adapters/aws/dynamo-event-reader.ts';
import { DynamoEventStore } from '../adapters/aws/dynamo-event-store.ts';
import { GivenUp } from '../adapters/aws/given-up.ts';
import { GivenUpLetters } from '../adapters/aws/given-up-letters.ts';
import { HalfPut } from '../adapters/aws/half-put.ts';
import type { KinesisBatchResponse } from '../adapters/aws/kinesis-records.ts';
import { assertLimits } from '../core/limits.ts';
import { LEDGER, ledgerRows } from '../process/views/ledger.ts';
import { VIEWS } from '../process/views/registry.ts';
import { eventsIn, RECORD_READING } from './given-up-records.ts';
import type { FunctionContext } from './in-time.ts';
import { processLambdaConfig } from './lambda-config.ts';
import { countFaultsOf } from './lambda-log.ts';
import { createMaintainHandler, type MaintainEvent, tasksOf } from './maintain-handler.ts';
import { createProcessHandler, type ProcessEvent } from './process-handler.ts';

// Once a function environment, so that its connections are kept.
assertLimits();
const { tables, deadLettersBucket, functionName } = processLambdaConfig(process.env);
const client = createDynamoClient();
const halfPut = new HalfPut({ client, tables, eventsIn });
const bucket = { client: createS3Client(), bucket: deadLettersBucket };
const report = countFaultsOf(functionName, Date.now);
const newStore = () =>
  new DynamoEventStore({ client, tables, folds: [...VIEWS, { ...LEDGER, ...ledgerRows }], halfPut });

const reader = new DynamoEventReader({ client, tables });

const processBatch = createProcessHandler({
  newStore,
  views: VIEWS,
  attempts: new DynamoAttempts({ client, table: tables.state }),
  deadLetters: new DeadLetters(bucket),
  clock: Date.now,
  report,
});

const givenUp = new GivenUp({
  ...{ client, table: tables.state, reader, halfPut },
  letters: new GivenUpLetters(bucket),
  reading: RECORD_READING,
  clock: Date.now,
  report: (fault) => report('process: what Lambda gave up', fault),
});

const maintain = createMaintainHandler({
  newTasks: () => tasksOf({ store: newStore(), reader, views: VIEWS, clock: Date.now, report }),
  report,
});

/** What the stack's schedule of adoption sends. */
interface AdoptEvent {
  readonly task: 'adopt';
}

/** Processes what an event source mapping gives it of one shard; by schedules, takes up what Lambda itself gave up, and maintains the tables. */
export async function handler(
  event: ProcessEvent | AdoptEvent | MaintainEvent,
  context: FunctionContext,
): Promise<KinesisBatchResponse | number | undefined> {
  if (!('task' in event)) return processBatch(event, context);
  if (event.task === 'adopt') return givenUp.adopt();
  await maintain(context);
  return undefined;
}

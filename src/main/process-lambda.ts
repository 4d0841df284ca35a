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
import { processLambdaConfig } from './lambda-config.ts';
import { reportFault } from './lambda-log.ts';
import { createProcessHandler, type ProcessContext, type ProcessEvent } from './process-handler.ts';

// Once a function environment, so that its connections are kept.
assertLimits();
const { tables, deadLettersBucket } = processLambdaConfig(process.env);
const client = createDynamoClient();
const halfPut = new HalfPut({ client, tables, eventsIn });
const bucket = { client: createS3Client(), bucket: deadLettersBucket };

const processBatch = createProcessHandler({
  newStore: () => new DynamoEventStore({ client, tables, folds: [...VIEWS, { ...LEDGER, ...ledgerRows }], halfPut }),
  attempts: new DynamoAttempts({ client, table: tables.state }),
  deadLetters: new DeadLetters(bucket),
  clock: Date.now,
  report: reportFault,
});

const givenUp = new GivenUp({
  ...{ client, table: tables.state, reader: new DynamoEventReader({ client, tables }), halfPut },
  letters: new GivenUpLetters(bucket),
  reading: RECORD_READING,
  clock: Date.now,
  report: (fault) => reportFault('process: what Lambda gave up', fault),
});

/** What the stack's schedule sends. */
interface AdoptEvent {
  readonly task: 'adopt';
}

/** Processes what an event source mapping gives it of one shard; by the schedule, takes up what Lambda itself gave up. */
export const handler = (
  event: ProcessEvent | AdoptEvent,
  context: ProcessContext,
): Promise<KinesisBatchResponse | number> => ('task' in event ? givenUp.adopt() : processBatch(event, context));

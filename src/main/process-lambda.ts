import { DynamoAttempts } from '../adapters/aws/attempts.ts';
import { createS3Client, DeadLetters } from '../adapters/aws/dead-letters.ts';
import { createDynamoClient } from '../adapters/aws/dynamo-client.ts';
import { DynamoEventStore } from '../adapters/aws/dynamo-event-store.ts';
import { assertLimits } from '../core/limits.ts';
import { LEDGER, ledgerRows } from '../process/views/ledger.ts';
import { VIEWS } from '../process/views/registry.ts';
import { processLambdaConfig } from './lambda-config.ts';
import { reportFault } from './lambda-log.ts';
import { createProcessHandler } from './process-handler.ts';

// Once a function environment, so that its connections are kept.
assertLimits();
const { tables, deadLettersBucket } = processLambdaConfig(process.env);
const client = createDynamoClient();

/** Processes what an event source mapping gives it of one shard. */
export const handler = createProcessHandler({
  newStore: () => new DynamoEventStore({ client, tables, folds: [...VIEWS, { ...LEDGER, ...ledgerRows }] }),
  attempts: new DynamoAttempts({ client, table: tables.state }),
  deadLetters: new DeadLetters({ client: createS3Client(), bucket: deadLettersBucket }),
  clock: Date.now,
  report: reportFault,
});

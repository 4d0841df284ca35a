import { join } from 'node:path';
import { createDynamoClient } from '../adapters/aws/dynamo-client.ts';
import { DynamoEventReader } from '../adapters/aws/dynamo-event-reader.ts';
import { DynamoEventStore } from '../adapters/aws/dynamo-event-store.ts';
import { createKinesisClient } from '../adapters/aws/kinesis-client.ts';
import { KinesisEventLog } from '../adapters/aws/kinesis-event-log.ts';
import { lookAtShards } from '../adapters/aws/kinesis-shards.ts';
import { createSecretsClient, Secret } from '../adapters/aws/secrets.ts';
import { assertLimits } from '../core/limits.ts';
import { queryLambdaConfig } from './lambda-config.ts';
import { reportFault, writeMetricOf } from './lambda-log.ts';
import { readPage } from './page-folder.ts';
import { createQueryHandler } from './query-handler.ts';

// Once a function environment, so that its connections are kept.
assertLimits();
const { stream, tables, readTokenSecret, functionName } = queryLambdaConfig(process.env);
const client = createDynamoClient();
const kinesis = createKinesisClient();
const secret = new Secret({
  client: createSecretsClient(),
  arn: readTokenSecret,
  clock: Date.now,
  report: (fault) => reportFault('query: the read token', fault),
});

/** Answers the load balancer's requests to the API and the page. */
export const handler = createQueryHandler({
  reader: new DynamoEventReader({ client, tables }),
  log: new KinesisEventLog({ client: kinesis, stream }),
  shards: (dones) => lookAtShards({ client: kinesis, stream, clock: Date.now }, dones),
  // It notes what was put back and which views are to be folded anew, and seals the ledger; it folds nothing.
  store: new DynamoEventStore({ client, tables, folds: [] }),
  secret,
  // infra/bundle.ts lays it there.
  page: readPage([join(import.meta.dirname, 'web')]),
  clock: Date.now,
  metric: writeMetricOf(functionName),
  report: reportFault,
});

// While Lambda starts the function there is processor to spare, and no request waits yet.
await secret.look();

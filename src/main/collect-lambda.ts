import { createDynamoClient } from '../adapters/aws/dynamo-client.ts';
import { DynamoEventStore } from '../adapters/aws/dynamo-event-store.ts';
import { DynamoSalts } from '../adapters/aws/dynamo-salts.ts';
import { createKinesisClient } from '../adapters/aws/kinesis-client.ts';
import { KinesisEventLog } from '../adapters/aws/kinesis-event-log.ts';
import { createSecretsClient, Secret } from '../adapters/aws/secrets.ts';
import { TRACKER_PATHS, Tracker } from '../collect/tracker.ts';
import { assertLimits } from '../core/limits.ts';
import { createCollectHandler } from './collect-handler.ts';
import { collectLambdaConfig } from './lambda-config.ts';
import { reportFault } from './lambda-log.ts';
import { builtTracker } from './tracker-file.ts';

// Once a function environment, so that its connections are kept.
assertLimits();
const { stream, tables, writeKeySecret, proxies } = collectLambdaConfig(process.env);
const secret = new Secret({
  client: createSecretsClient(),
  arn: writeKeySecret,
  clock: Date.now,
  report: (fault) => reportFault('collect: the write key', fault),
});

const client = createDynamoClient();

/** Answers the load balancer's requests to the collector. */
export const handler = createCollectHandler({
  log: new KinesisEventLog({ client: createKinesisClient(), stream }),
  // It only witnesses, and folds nothing.
  store: new DynamoEventStore({ client, tables, folds: [] }),
  secret,
  salts: new DynamoSalts({
    client,
    table: tables.state,
    clock: Date.now,
    report: (fault) => reportFault('collect: the salt', fault),
  }),
  tracker: new Tracker({ built: builtTracker(), paths: TRACKER_PATHS }),
  proxies,
  clock: Date.now,
  report: reportFault,
});

// While Lambda starts the function there is processor to spare, and no request waits yet.
await secret.look();

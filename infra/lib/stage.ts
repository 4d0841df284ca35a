import type { RemovalPolicy } from 'aws-cdk-lib';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type { Keys } from './keys.ts';
import type { Log } from './log.ts';
import type { Network } from './network.ts';
import type { Parameters } from './parameters.ts';
import type { Secrets } from './secrets.ts';
import type { Store } from './store.ts';

/** What every part of the stack is given. */
export interface StackParts {
  /** In names that are chosen; state has none. */
  readonly name: string;
  readonly parameters: Parameters;
  readonly key: kms.IKey;
  /** Of what holds data. */
  readonly removalPolicy: RemovalPolicy;
}

/** What each of the three functions stands on. */
export interface StageProps extends StackParts {
  readonly folder: string;
  readonly network: Network;
  readonly keys: Keys;
  readonly log: Log;
  readonly store: Store;
  readonly secrets: Secrets;
  readonly deadLetters: s3.Bucket;
}

/** What DynamoDB asks of who uses a table under a key of one's own: https://docs.aws.amazon.com/kms/latest/developerguide/services-dynamodb.html */
export const TABLE_KEY_ACTIONS = [
  'Encrypt',
  'Decrypt',
  'ReEncryptFrom',
  'ReEncryptTo',
  'GenerateDataKey',
  'DescribeKey',
];

/** The process function writes this in CloudWatch's embedded metric format, with the dimension FunctionName: tries that failed and that it caught. */
export const FAULTS_METRIC = { namespace: 'Clickstream', metricName: 'ProcessFaults' };

/** src/main/lambda-config.ts reads it. */
export function environmentOf({ log, store, deadLetters }: StageProps): Record<string, string> {
  return {
    STREAM_NAME: log.stream.streamName,
    EVENTS_TABLE: store.events.tableName,
    STATE_TABLE: store.state.tableName,
    DEAD_LETTERS_BUCKET: deadLetters.bucketName,
  };
}

/**
 * Of a table, only items whose partition key is like one of these. The keys of all that a call names are compared:
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
 */
export function partitions(...patterns: readonly string[]): Record<string, object> {
  return { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': patterns } };
}

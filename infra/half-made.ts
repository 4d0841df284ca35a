import { DeleteTableCommand, type DynamoDBClient, UpdateTableCommand } from '@aws-sdk/client-dynamodb';
import { DeleteBucketCommand, type S3Client } from '@aws-sdk/client-s3';
import type { StackResource } from './cloudformation.ts';
import { emptyBucket } from './empty-bucket.ts';

export interface HalfMadeParts {
  readonly dynamodb: Pick<DynamoDBClient, 'send'>;
  readonly s3: Pick<S3Client, 'send'>;
  readonly sleep: (ms: number) => Promise<unknown>;
}

/** A table that is being changed cannot be deleted. */
const TRIES_MAX = 24;
const BETWEEN_TRIES_MS = 5_000;

/**
 * Of a stack whose first deployment failed, deletes what kept CloudFormation from taking it back: the tables, which are
 * protected, and the buckets that access logs came into. Such a stack cannot be deployed to, so its own template cannot
 * take the protection away. Says what was deleted.
 */
export async function discardHalfMade(
  resources: readonly StackResource[],
  { dynamodb, s3, sleep }: HalfMadeParts,
): Promise<readonly string[]> {
  const left = resources.filter(({ status, physicalId }) => status !== 'DELETE_COMPLETE' && physicalId !== '');
  const discarded: string[] = [];
  for (const { type, physicalId } of left) {
    if (type === 'AWS::DynamoDB::Table') {
      if (await unlessGone(() => deleteTable(physicalId, { dynamodb, sleep }))) discarded.push(physicalId);
    }
    if (type === 'AWS::S3::Bucket') {
      await emptyBucket(s3, physicalId);
      if (await unlessGone(() => s3.send(new DeleteBucketCommand({ Bucket: physicalId })))) discarded.push(physicalId);
    }
  }
  return discarded;
}

async function deleteTable(
  TableName: string,
  { dynamodb, sleep }: Pick<HalfMadeParts, 'dynamodb' | 'sleep'>,
): Promise<void> {
  const whenFree = async (send: () => Promise<unknown>) => {
    for (let tries = 1; ; tries += 1) {
      try {
        await send();
        return;
      } catch (thrown) {
        if (!isNamed(thrown, 'ResourceInUseException') || tries === TRIES_MAX) throw thrown;
        await sleep(BETWEEN_TRIES_MS);
      }
    }
  };
  await whenFree(() => dynamodb.send(new UpdateTableCommand({ TableName, DeletionProtectionEnabled: false })));
  await whenFree(() => dynamodb.send(new DeleteTableCommand({ TableName })));
}

async function unlessGone(send: () => Promise<unknown>): Promise<boolean> {
  try {
    await send();
    return true;
  } catch (thrown) {
    if (isNamed(thrown, 'ResourceNotFoundException') || isNamed(thrown, 'NoSuchBucket')) return false;
    throw thrown;
  }
}

function isNamed(thrown: unknown, name: string): boolean {
  return thrown instanceof Error && thrown.name === name;
}

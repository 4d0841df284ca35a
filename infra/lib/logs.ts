import { RemovalPolicy } from 'aws-cdk-lib';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

/** A log group, encrypted, that forgets. It goes with the stack. */
export function logGroup(
  scope: Construct,
  id: string,
  { key, retentionDays }: { readonly key: kms.IKey; readonly retentionDays: number },
): logs.LogGroup {
  return new logs.LogGroup(scope, id, {
    encryptionKey: key,
    retention: retentionDays,
    removalPolicy: RemovalPolicy.DESTROY,
  });
}

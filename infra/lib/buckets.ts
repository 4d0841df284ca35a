import { Duration, type RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';

export interface BucketProps {
  readonly key: kms.IKey;
  readonly retentionDays: number;
  readonly removalPolicy: RemovalPolicy;
  readonly accessLogs: AccessLogs;
  /** Folder of its access logs. */
  readonly prefix: string;
  /** After this many days objects move to a cheaper class. */
  readonly coolAfterDays?: number;
}

/** A private, encrypted, versioned bucket of the pipeline's own data. */
export function dataBucket(scope: Construct, id: string, props: BucketProps): s3.Bucket {
  const bucket = new s3.Bucket(scope, id, {
    encryption: s3.BucketEncryption.KMS,
    encryptionKey: props.key,
    // One data key an hour and bucket, not one an object.
    bucketKeyEnabled: true,
    blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
    objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
    enforceSSL: true,
    versioned: true,
    // CDK's own types do not agree with each other under exactOptionalPropertyTypes.
    serverAccessLogsBucket: props.accessLogs.bucket as s3.IBucket,
    serverAccessLogsPrefix: `${props.prefix}/`,
    lifecycleRules: [
      {
        id: 'expire',
        expiration: Duration.days(props.retentionDays),
        noncurrentVersionExpiration: Duration.days(30),
        abortIncompleteMultipartUploadAfter: Duration.days(7),
        ...(props.coolAfterDays !== undefined && {
          transitions: [
            {
              storageClass: s3.StorageClass.GLACIER_INSTANT_RETRIEVAL,
              transitionAfter: Duration.days(props.coolAfterDays),
            },
          ],
        }),
      },
    ],
    removalPolicy: props.removalPolicy,
  });
  acknowledge(bucket, {
    'PCI.DSS.321-S3BucketReplicationEnabled':
      'The stack is of one region by design; its data may not leave it. Versions guard against deletion by mistake.',
  });
  return bucket;
}

/** Who asked the load balancer and the other buckets for what. */
export class AccessLogs extends Construct {
  readonly bucket: s3.Bucket;
  readonly balancerPrefix = 'load-balancer';

  constructor(
    scope: Construct,
    id: string,
    { retentionDays, removalPolicy }: { readonly retentionDays: number; readonly removalPolicy: RemovalPolicy },
  ) {
    super(scope, id);
    this.bucket = new s3.Bucket(this, 'Bucket', {
      // The load balancer and S3 itself deliver logs to buckets under S3's own key only:
      // https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
      encryption: s3.BucketEncryption.S3_MANAGED,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      versioned: true,
      lifecycleRules: [
        {
          id: 'expire',
          expiration: Duration.days(retentionDays),
          noncurrentVersionExpiration: Duration.days(7),
          abortIncompleteMultipartUploadAfter: Duration.days(7),
        },
      ],
      removalPolicy,
    });
    const { account } = Stack.of(this);
    // AWS's page for this has no condition on aws:SourceArn or aws:SourceAccount, which nobody says that the load balancer sends:
    // with one, none could be made. The account in the path is the bound, for it is that of the balancer's owner:
    // https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html#attach-bucket-policy
    this.bucket.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'LoadBalancerLogs',
        principals: [new iam.ServicePrincipal('logdelivery.elasticloadbalancing.amazonaws.com')],
        actions: ['s3:PutObject'],
        resources: [this.bucket.arnForObjects(`${this.balancerPrefix}/AWSLogs/${account}/*`)],
      }),
    );
    acknowledge(this.bucket, {
      CKV_AWS_18: 'It is where the access logs of all others go; logging it into itself would never end.',
      'PCI.DSS.321-S3BucketReplicationEnabled':
        'Access logs are of one region by design, and are kept for days, not as a record of business.',
      'PCI.DSS.321-S3DefaultEncryptionKMS':
        'The load balancer and S3 deliver access logs only to buckets that are encrypted with the key of S3 itself.',
    });
  }
}

/** How AwsSolutions names a permission for a bucket's objects. */
export function objectsOf(bucket: s3.Bucket, pattern: string): string {
  const id = Stack.of(bucket).getLogicalId(bucket.node.defaultChild as s3.CfnBucket);
  return `AwsSolutions-IAM5[Resource::<${id}.Arn>/${pattern}]`;
}

import type { RemovalPolicy } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { BY_TYPE, EXPIRES_AT, tableDefinitions } from '../../src/adapters/aws/tables.ts';
import type { Capacity, Parameters } from './parameters.ts';

/** Both above and below this share of the capacity, auto scaling acts. */
const TARGET_PERCENT = 70;

export interface StoreProps {
  readonly parameters: Parameters;
  readonly key: kms.IKey;
  readonly removalPolicy: RemovalPolicy;
}

/** The two tables, with the keys and the index that `src/adapters/aws/tables.ts` says. */
export class Store extends Construct {
  readonly events: dynamodb.Table;
  readonly state: dynamodb.Table;
  readonly byTypeArn: string;

  constructor(scope: Construct, id: string, { parameters, key, removalPolicy }: StoreProps) {
    super(scope, id);
    const [events, state] = tableDefinitions({ events: 'events', state: 'state' });
    const index = events?.GlobalSecondaryIndexes?.find(({ IndexName }) => IndexName === BY_TYPE);
    const isProvisioned = parameters.tableMode === 'provisioned';

    const table = (part: string, schema: Schema | undefined, read: Capacity, write: Capacity, stream: boolean) =>
      new dynamodb.Table(this, part, {
        ...keysOf(schema),
        ...(isProvisioned
          ? { billingMode: dynamodb.BillingMode.PROVISIONED, readCapacity: read.min, writeCapacity: write.min }
          : { billingMode: dynamodb.BillingMode.PAY_PER_REQUEST }),
        encryption: dynamodb.TableEncryption.CUSTOMER_MANAGED,
        encryptionKey: key,
        pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
        deletionProtection: !parameters.deleteData,
        timeToLiveAttribute: EXPIRES_AT,
        ...(stream && { stream: dynamodb.StreamViewType.NEW_AND_OLD_IMAGES }),
        removalPolicy,
      });

    this.events = table('Events', events, parameters.eventsRead, parameters.eventsWrite, true);
    this.events.addGlobalSecondaryIndex({
      indexName: BY_TYPE,
      ...keysOf(index),
      projectionType: dynamodb.ProjectionType.KEYS_ONLY,
      ...(isProvisioned && { readCapacity: parameters.indexRead.min, writeCapacity: parameters.indexWrite.min }),
    });
    this.byTypeArn = `${this.events.tableArn}/index/${BY_TYPE}`;
    this.state = table('State', state, parameters.stateRead, parameters.stateWrite, false);

    // A table on demand scales by itself, and refuses a scaling policy.
    if (!isProvisioned) return;
    const scale = (attribute: dynamodb.IScalableTableAttribute) =>
      attribute.scaleOnUtilization({ targetUtilizationPercent: TARGET_PERCENT });
    scale(this.events.autoScaleReadCapacity(range(parameters.eventsRead)));
    scale(this.events.autoScaleWriteCapacity(range(parameters.eventsWrite)));
    scale(this.events.autoScaleGlobalSecondaryIndexReadCapacity(BY_TYPE, range(parameters.indexRead)));
    scale(this.events.autoScaleGlobalSecondaryIndexWriteCapacity(BY_TYPE, range(parameters.indexWrite)));
    scale(this.state.autoScaleReadCapacity(range(parameters.stateRead)));
    scale(this.state.autoScaleWriteCapacity(range(parameters.stateWrite)));
  }
}

interface Schema {
  readonly KeySchema?:
    | readonly { readonly AttributeName: string | undefined; readonly KeyType: string | undefined }[]
    | undefined;
}

/** All keys are texts (S): items.ts makes them. */
function keysOf(schema: Schema | undefined) {
  const attribute = (kind: 'HASH' | 'RANGE'): dynamodb.Attribute => {
    const name = schema?.KeySchema?.find(({ KeyType }) => KeyType === kind)?.AttributeName;
    if (name === undefined) throw new Error(`tables.ts has no ${kind} key`);
    return { name, type: dynamodb.AttributeType.STRING };
  };
  return { partitionKey: attribute('HASH'), sortKey: attribute('RANGE') };
}

function range({ min, max }: Capacity): { readonly minCapacity: number; readonly maxCapacity: number } {
  return { minCapacity: min, maxCapacity: max };
}

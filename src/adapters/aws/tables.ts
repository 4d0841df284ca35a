import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb';

export interface TableNames {
  readonly events: string;
  readonly state: string;
}

/** The index of events by type: its keys are written sharded, for one type may take most of all writes. */
export const BY_TYPE = 'by-type';
/** Epoch seconds after which DynamoDB deletes an item by itself. */
export const EXPIRES_AT = 'expiresAt';

/** The two tables, as the stack, the emulator and the tests make them (capacity, encryption and recovery are the stack's). */
export function tableDefinitions({ events, state }: TableNames): readonly CreateTableCommandInput[] {
  return [
    {
      TableName: events,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: ['pk', 'sk', 'typeShard', 'typeOrder'].map((name) => ({
        AttributeName: name,
        AttributeType: 'S',
      })),
      KeySchema: keys('pk', 'sk'),
      GlobalSecondaryIndexes: [
        { IndexName: BY_TYPE, KeySchema: keys('typeShard', 'typeOrder'), Projection: { ProjectionType: 'KEYS_ONLY' } },
      ],
    },
    {
      TableName: state,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: ['pk', 'sk'].map((name) => ({ AttributeName: name, AttributeType: 'S' })),
      KeySchema: keys('pk', 'sk'),
    },
  ];
}

function keys(hash: string, range: string): NonNullable<CreateTableCommandInput['KeySchema']> {
  return [
    { AttributeName: hash, KeyType: 'HASH' },
    { AttributeName: range, KeyType: 'RANGE' },
  ];
}

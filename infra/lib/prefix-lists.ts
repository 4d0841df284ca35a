/** The prefix lists behind the gateway endpoints; AWS owns them, and each region has its own. */
export interface PrefixLists {
  readonly dynamodb: string;
  readonly s3: string;
}

/**
 * `aws ec2 describe-prefix-lists --region <region>` tells them. They are written down here, for a synth looks nothing up.
 * A region that is not here needs the parameters `dynamodbPrefixList` and `s3PrefixList`.
 */
export const PREFIX_LISTS: Readonly<Record<string, PrefixLists>> = {
  'ap-northeast-1': { dynamodb: 'pl-78a54011', s3: 'pl-61a54008' },
  'ap-northeast-2': { dynamodb: 'pl-48a54021', s3: 'pl-78a54011' },
  'ap-south-1': { dynamodb: 'pl-66a7420f', s3: 'pl-78a54011' },
  'ap-southeast-1': { dynamodb: 'pl-67a5400e', s3: 'pl-6fa54006' },
  'ap-southeast-2': { dynamodb: 'pl-62a5400b', s3: 'pl-6ca54005' },
  'eu-central-1': { dynamodb: 'pl-66a5400f', s3: 'pl-6ea54007' },
  'eu-north-1': { dynamodb: 'pl-adae4bc4', s3: 'pl-c3aa4faa' },
  'eu-west-1': { dynamodb: 'pl-6fa54006', s3: 'pl-6da54004' },
  'eu-west-2': { dynamodb: 'pl-b3a742da', s3: 'pl-7ca54015' },
  'us-east-1': { dynamodb: 'pl-02cd2c6b', s3: 'pl-63a5400a' },
  'us-east-2': { dynamodb: 'pl-4ca54025', s3: 'pl-7ba54012' },
  'us-west-1': { dynamodb: 'pl-6ea54007', s3: 'pl-6ba54002' },
  'us-west-2': { dynamodb: 'pl-00a54069', s3: 'pl-68a54001' },
};

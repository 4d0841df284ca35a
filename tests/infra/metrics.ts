/**
 * Metrics that AWS publishes, each with the sets of dimensions it has. What is not here does not exist, as far as an alarm
 * is concerned: an alarm on a metric that never comes is silent for ever.
 * Lambda: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
 * Kinesis: https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html
 * DynamoDB: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
 * Load balancer: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
 * SQS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
 */
export const METRICS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'AWS/Lambda Errors': [['FunctionName']],
  'AWS/Lambda Throttles': [['FunctionName']],
  'AWS/Lambda IteratorAge': [['FunctionName']],
  'AWS/Kinesis PutRecords.ThrottledRecords': [['StreamName']],
  'AWS/Kinesis PutRecords.FailedRecords': [['StreamName']],
  'AWS/Kinesis WriteProvisionedThroughputExceeded': [['StreamName'], ['StreamName', 'ShardId']],
  'AWS/Kinesis ReadProvisionedThroughputExceeded': [['StreamName'], ['StreamName', 'ShardId']],
  'AWS/DynamoDB ReadThrottleEvents': [['TableName'], ['TableName', 'GlobalSecondaryIndexName']],
  'AWS/DynamoDB WriteThrottleEvents': [['TableName'], ['TableName', 'GlobalSecondaryIndexName']],
  'AWS/SQS ApproximateNumberOfMessagesVisible': [['QueueName']],
  'AWS/ApplicationELB HTTPCode_ELB_5XX_Count': [['LoadBalancer'], ['LoadBalancer', 'AvailabilityZone']],
  'AWS/ApplicationELB HTTPCode_Target_5XX_Count': [
    ['LoadBalancer'],
    ['LoadBalancer', 'TargetGroup'],
    ['LoadBalancer', 'AvailabilityZone'],
  ],
  // The audit of the query function writes it (infra/lib/query.ts).
  'Clickstream LedgerOutOfBalance': [['FunctionName']],
};

/** What must wake somebody. */
export const NEEDED_METRICS: readonly string[] = [
  'IteratorAge',
  'Errors',
  'Throttles',
  'ReadThrottleEvents',
  'WriteThrottleEvents',
  'WriteProvisionedThroughputExceeded',
  'PutRecords.ThrottledRecords',
  'PutRecords.FailedRecords',
  'ApproximateNumberOfMessagesVisible',
  'HTTPCode_ELB_5XX_Count',
  'HTTPCode_Target_5XX_Count',
  'LedgerOutOfBalance',
];

/**
 * Metrics that AWS publishes, each with the sets of dimensions it has. What is not here does not exist, as far as an alarm
 * is concerned: an alarm on a metric that never comes is silent for ever.
 * Lambda: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
 * Kinesis: https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html
 * DynamoDB: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
 * Load balancer: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
 * Firehose: https://docs.aws.amazon.com/firehose/latest/dev/cloudwatch-metrics.html
 * SQS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
 */
export const METRICS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'AWS/Lambda Errors': [['FunctionName']],
  'AWS/Lambda Throttles': [['FunctionName']],
  'AWS/Lambda IteratorAge': [['FunctionName']],
  'AWS/Lambda DestinationDeliveryFailures': [['FunctionName']],
  'AWS/Kinesis IncomingRecords': [['StreamName'], ['StreamName', 'ShardId']],
  'AWS/Kinesis PutRecords.ThrottledRecords': [['StreamName']],
  'AWS/Kinesis PutRecords.FailedRecords': [['StreamName']],
  'AWS/Kinesis WriteProvisionedThroughputExceeded': [['StreamName'], ['StreamName', 'ShardId']],
  'AWS/Kinesis ReadProvisionedThroughputExceeded': [['StreamName'], ['StreamName', 'ShardId']],
  'AWS/DynamoDB ReadThrottleEvents': [['TableName'], ['TableName', 'GlobalSecondaryIndexName']],
  'AWS/DynamoDB WriteThrottleEvents': [['TableName'], ['TableName', 'GlobalSecondaryIndexName']],
  'AWS/SQS ApproximateNumberOfMessagesVisible': [['QueueName']],
  'AWS/SQS NumberOfMessagesSent': [['QueueName']],
  'AWS/Firehose DeliveryToS3.DataFreshness': [['DeliveryStreamName']],
  'AWS/ApplicationELB HTTPCode_ELB_5XX_Count': [['LoadBalancer'], ['LoadBalancer', 'AvailabilityZone']],
  'AWS/ApplicationELB HTTPCode_Target_5XX_Count': [
    ['LoadBalancer'],
    ['LoadBalancer', 'TargetGroup'],
    ['LoadBalancer', 'AvailabilityZone'],
  ],
  // The audit of the query function writes it (infra/lib/query.ts).
  'Clickstream LedgerOutOfBalance': [['FunctionName']],
  // The process function writes it (infra/lib/stage.ts).
  'Clickstream ProcessFaults': [['FunctionName']],
};

/** What must wake somebody: each an alarm's metric, with what tells it from the same metric elsewhere. */
export const NEEDED_METRICS: readonly string[] = [
  'IteratorAge of process',
  'IncomingRecords',
  ...['collect', 'process', 'query'].flatMap((stage) => [`Errors of ${stage}`, `Throttles of ${stage}`]),
  'ReadThrottleEvents of Events',
  'ReadThrottleEvents of State',
  'ReadThrottleEvents of by-type',
  'WriteThrottleEvents of Events',
  'WriteThrottleEvents of State',
  'WriteThrottleEvents of by-type',
  'WriteProvisionedThroughputExceeded',
  'ReadProvisionedThroughputExceeded',
  'PutRecords.ThrottledRecords',
  'PutRecords.FailedRecords',
  'ApproximateNumberOfMessagesVisible',
  'NumberOfMessagesSent',
  'DestinationDeliveryFailures of process',
  'HTTPCode_ELB_5XX_Count',
  'HTTPCode_Target_5XX_Count',
  'LedgerOutOfBalance of query',
  'ProcessFaults of process',
];

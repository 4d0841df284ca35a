import type { LaneRecord } from '../../log/event-log.ts';

/** What is read of the event that Lambda gives to a function that takes from a Kinesis stream. */
export interface KinesisEvent {
  readonly Records: readonly {
    /** `shardId-000000000000:` and the sequence number. */
    readonly eventID: string;
    readonly eventSourceARN: string;
    readonly kinesis: {
      readonly sequenceNumber: string;
      /** Base64. */
      readonly data: string;
      /** Epoch seconds, with a fraction. */
      readonly approximateArrivalTimestamp?: number;
    };
  }[];
}

export interface KinesisBatch {
  /** The shard's id. */
  readonly lane: string;
  readonly records: readonly LaneRecord[];
}

/**
 * The answer with which Lambda sends again from the record named on, and nothing when none is.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
 */
export interface KinesisBatchResponse {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/** Throws for an event without records, or of more than one shard: Lambda sends neither. */
export function readKinesisEvent({ Records }: KinesisEvent): KinesisBatch {
  const [first] = Records;
  if (first === undefined) throw new Error('a Kinesis event without records');
  const lane = shardOf(first.eventID);
  const records = Records.map(({ eventID, eventSourceARN, kinesis }): LaneRecord => {
    if (shardOf(eventID) !== lane || eventSourceARN !== first.eventSourceARN) {
      throw new Error(`a Kinesis event of two shards: ${first.eventID} and ${eventID}`);
    }
    const { sequenceNumber, data, approximateArrivalTimestamp: arrival } = kinesis;
    return {
      sequence: BigInt(sequenceNumber),
      data: Buffer.from(data, 'base64'),
      ...(arrival !== undefined && { arrivedAtMs: Math.round(arrival * 1_000) }),
    };
  });
  return { lane, records };
}

/** `done` is the last sequence done of the lane; -1n for none. What comes after it in the batch is to be sent again. */
export function kinesisBatchResponse({ records }: KinesisBatch, done: bigint): KinesisBatchResponse {
  const first = records.find(({ sequence }) => sequence > done);
  return { batchItemFailures: first === undefined ? [] : [{ itemIdentifier: String(first.sequence) }] };
}

function shardOf(eventID: string): string {
  const end = eventID.indexOf(':');
  if (end <= 0) throw new Error(`an eventID names its shard and a sequence number, got ${eventID}`);
  return eventID.slice(0, end);
}

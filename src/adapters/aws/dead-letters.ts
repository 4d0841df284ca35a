import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { LIMITS } from '../../core/limits.ts';
import type { Clock } from '../../core/time.ts';
import { connections } from './connections.ts';

export function createS3Client(options: { readonly endpoint?: string; readonly region?: string } = {}): S3Client {
  return new S3Client({
    ...options,
    requestHandler: connections({ requestMsMax: LIMITS.awsRequestMsMax }),
  });
}

/** A record of a stream that is set aside whole. */
export interface DeadLetter {
  /** The shard's id. */
  readonly lane: string;
  readonly sequence: bigint;
  readonly partitionKey: string;
  readonly data: Uint8Array;
  /** Epoch milliseconds. */
  readonly approximateArrival: number;
  readonly streamArn: string;
  /** In words. */
  readonly reason: string;
}

/** The object's key. A record set aside twice is one object. */
export function deadLetterKey({ lane, sequence }: Pick<DeadLetter, 'lane' | 'sequence'>): string {
  return `${lane}/${sequence}.json`;
}

/** Where what cannot be processed goes whole: one object a record. The bucket tells of each in a queue. */
export class DeadLetters {
  readonly #client: Pick<S3Client, 'send'>;
  readonly #bucket: string;
  readonly #clock: Clock;

  constructor(options: {
    readonly client: Pick<S3Client, 'send'>;
    readonly bucket: string;
    /** @default Date.now */
    readonly clock?: Clock;
  }) {
    this.#client = options.client;
    this.#bucket = options.bucket;
    this.#clock = options.clock ?? Date.now;
  }

  /** Resolves when it is stored. Putting the same record again replaces it. Throws what S3 throws. */
  async put(letter: DeadLetter): Promise<void> {
    await this.#client.send(
      new PutObjectCommand({
        Bucket: this.#bucket,
        Key: deadLetterKey(letter),
        ContentType: 'application/json',
        Body: JSON.stringify(deadLetterDocument(letter, this.#clock())),
      }),
    );
  }
}

/**
 * Like what Lambda itself writes when it gives a batch up: `payload` is the event, as JSON text, whose one record has its
 * data in base64. Only `reason` is ours. https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
 */
function deadLetterDocument(
  { lane, sequence, partitionKey, data, approximateArrival, streamArn, reason }: DeadLetter,
  nowMs: number,
) {
  const arrival = new Date(approximateArrival).toISOString();
  const record = {
    kinesis: {
      kinesisSchemaVersion: '1.0',
      partitionKey,
      sequenceNumber: String(sequence),
      data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
      approximateArrivalTimestamp: approximateArrival / 1_000,
    },
    eventSource: 'aws:kinesis',
    eventVersion: '1.0',
    eventID: `${lane}:${sequence}`,
    eventName: 'aws:kinesis:record',
    eventSourceARN: streamArn,
  };
  return {
    requestContext: { condition: 'RecordSetAside' },
    version: '1.0',
    timestamp: new Date(nowMs).toISOString(),
    KinesisBatchInfo: {
      shardId: lane,
      startSequenceNumber: String(sequence),
      endSequenceNumber: String(sequence),
      approximateArrivalOfFirstRecord: arrival,
      approximateArrivalOfLastRecord: arrival,
      batchSize: 1,
      streamArn,
    },
    reason,
    payload: JSON.stringify({ Records: [record] }),
  };
}

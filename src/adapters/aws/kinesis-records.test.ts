import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type KinesisEvent, kinesisBatchResponse, readKinesisEvent } from './kinesis-records.ts';

const SHARD = 'shardId-000000000006';
const STREAM = 'arn:aws:kinesis:eu-central-1:123456789012:stream/clicks';
const FIRST = 49590338271490256608559692538361571095921575989136588898n;

describe('readKinesisEvent', () => {
  test('gives the shard as the lane, and each record with its bytes, in order', () => {
    // As AWS documents it: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    const event = {
      Records: [
        {
          kinesis: {
            kinesisSchemaVersion: '1.0',
            partitionKey: '1',
            sequenceNumber: '49590338271490256608559692538361571095921575989136588898',
            data: 'SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==',
            approximateArrivalTimestamp: 1545084650.987,
          },
          eventSource: 'aws:kinesis',
          eventVersion: '1.0',
          eventID: 'shardId-000000000006:49590338271490256608559692538361571095921575989136588898',
          eventName: 'aws:kinesis:record',
          invokeIdentityArn: 'arn:aws:iam::111122223333:role/lambda-role',
          awsRegion: 'us-east-2',
          eventSourceARN: 'arn:aws:kinesis:us-east-2:111122223333:stream/lambda-stream',
        },
      ],
    };
    const { lane, records } = readKinesisEvent(event);
    expect(lane).toBe('shardId-000000000006');
    expect(records).toEqual([
      { sequence: FIRST, data: Buffer.from('Hello, this is a test.'), arrivedAtMs: 1545084650987 },
    ]);
  });

  test('hands on any bytes unchanged', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array(), { minLength: 1 }), (datas) => {
        const { records } = readKinesisEvent(eventOf(datas));
        expect(records.map(({ data }) => [...data])).toEqual(datas.map((data) => [...data]));
        expect(records.map(({ sequence }) => sequence)).toEqual(datas.map((_, index) => FIRST + BigInt(index)));
      }),
    );
  });

  test('throws for what Lambda never sends', () => {
    const [one, two] = eventOf([Buffer.from('a'), Buffer.from('b')]).Records;
    if (one === undefined || two === undefined) throw new Error('two records were made');
    expect(() => readKinesisEvent({ Records: [] })).toThrow('without records');
    const otherShard = { ...two, eventID: `shardId-000000000007:${two.kinesis.sequenceNumber}` };
    expect(() => readKinesisEvent({ Records: [one, otherShard] })).toThrow('two shards');
    const otherStream = { ...two, eventSourceARN: `${STREAM}-other` };
    expect(() => readKinesisEvent({ Records: [one, otherStream] })).toThrow('two shards');
    expect(() => readKinesisEvent({ Records: [{ ...one, eventID: '4959' }] })).toThrow('4959');
  });
});

describe('kinesisBatchResponse', () => {
  const batch = readKinesisEvent(eventOf(['a', 'b', 'c'].map((data) => Buffer.from(data))));

  test.each([
    ['nothing is done', -1n, FIRST],
    ['the first is done', FIRST, FIRST + 1n],
    ['all but the last are done', FIRST + 1n, FIRST + 2n],
    ['all are done', FIRST + 2n, undefined],
    ['all were done long ago', FIRST + 100n, undefined],
  ])('when %s', (_when, done, again) => {
    const identifiers = kinesisBatchResponse(batch, done).batchItemFailures.map((failure) => failure.itemIdentifier);
    expect(identifiers).toEqual(again === undefined ? [] : [String(again)]);
  });
});

function eventOf(datas: readonly Uint8Array[]): KinesisEvent {
  return {
    Records: datas.map((data, index) => {
      const sequenceNumber = String(FIRST + BigInt(index));
      return {
        eventID: `${SHARD}:${sequenceNumber}`,
        eventSourceARN: STREAM,
        kinesis: { sequenceNumber, data: Buffer.from(data).toString('base64') },
      };
    }),
  };
}

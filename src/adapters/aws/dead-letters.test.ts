import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { DeadLetters } from './dead-letters.ts';
import { type KinesisEvent, readKinesisEvent } from './kinesis-records.ts';

const NOW = Date.parse('2026-11-25T08:00:00.000Z');
const LETTER = {
  lane: 'shardId-000000000006',
  sequence: 49_546_986_683_135_544_286_507_457_936_321_625_675_700_192_471_156_785_154n,
  partitionKey: 'default/a1',
  data: Buffer.from([0xff, 0x00, 0x7b]),
  approximateArrival: NOW - 1_500,
  streamArn: 'arn:aws:kinesis:us-east-1:123456789012:stream/events',
  reason: 'planted',
};

function bucket(behave: () => Promise<unknown> = () => Promise.resolve({})) {
  const puts: PutObjectCommand[] = [];
  const send = (command: unknown) => {
    if (!(command instanceof PutObjectCommand)) throw new Error('another command');
    puts.push(command);
    return behave();
  };
  const client = { send } as unknown as Pick<S3Client, 'send'>;
  return { puts, letters: new DeadLetters({ client, bucket: 'dead', clock: () => NOW }) };
}

test('a letter holds the record as Lambda gave it, whole, and says why', async () => {
  const { letters, puts } = bucket();
  await letters.put(LETTER);
  const [put] = puts;
  expect(put?.input).toMatchObject({ Bucket: 'dead', Key: `${LETTER.lane}/${LETTER.sequence}.json` });
  const document = JSON.parse(String(put?.input.Body)) as { readonly payload: string };
  expect(document).toMatchObject({
    timestamp: '2026-11-25T08:00:00.000Z',
    reason: 'planted',
    KinesisBatchInfo: {
      shardId: LETTER.lane,
      startSequenceNumber: String(LETTER.sequence),
      endSequenceNumber: String(LETTER.sequence),
      approximateArrivalOfFirstRecord: '2026-11-25T07:59:58.500Z',
      batchSize: 1,
      streamArn: LETTER.streamArn,
    },
  });
  const event = JSON.parse(document.payload) as KinesisEvent;
  const { lane, records } = readKinesisEvent(event);
  expect({ lane, records }).toEqual({
    lane: LETTER.lane,
    records: [{ sequence: LETTER.sequence, data: LETTER.data, arrivedAtMs: Date.parse('2026-11-25T07:59:58.500Z') }],
  });
  expect(event.Records[0]?.kinesis).toMatchObject({ partitionKey: 'default/a1' });
});

test('a letter that is not stored is not passed over', async () => {
  const { letters } = bucket(() => Promise.reject(new Error('planted')));
  await expect(letters.put(LETTER)).rejects.toThrow('planted');
});

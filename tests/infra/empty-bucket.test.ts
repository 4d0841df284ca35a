import { DeleteObjectsCommand, ListObjectVersionsCommand, type S3Client } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { emptyBucket } from '../../infra/empty-bucket.ts';

interface Version {
  readonly Key: string;
  readonly VersionId: string;
}

/** A bucket that lists two at a time, and lets nobody delete what is locked. */
function bucketOf(versions: readonly Version[], { locked = [] as readonly string[] } = {}) {
  let left = versions;
  const send = async (command: unknown) => {
    if (command instanceof ListObjectVersionsCommand)
      return { Versions: left.slice(0, 1), DeleteMarkers: left.slice(1, 2) };
    if (!(command instanceof DeleteObjectsCommand)) throw new Error('not asked for');
    const asked = command.input.Delete?.Objects ?? [];
    left = left.filter(
      ({ Key, VersionId }) =>
        locked.includes(Key) || !asked.some((one) => one.Key === Key && one.VersionId === VersionId),
    );
    return {
      Errors: asked.filter(({ Key = '' }) => locked.includes(Key)).map(({ Key }) => ({ Key, Code: 'AccessDenied' })),
    };
  };
  return { client: { send } as unknown as Pick<S3Client, 'send'>, left: () => left };
}

const VERSIONS = ['a', 'b', 'c', 'd', 'e'].map((Key) => ({ Key, VersionId: `${Key}1` }));

test('all versions and markers go, page by page', async () => {
  const { client, left } = bucketOf(VERSIONS);
  expect(await emptyBucket(client, 'letters')).toBe(5);
  expect(left()).toEqual([]);
});

test('what cannot be deleted is an error, and no endless loop', async () => {
  const { client } = bucketOf(VERSIONS, { locked: ['d'] });
  await expect(emptyBucket(client, 'letters')).rejects.toThrow('letters/d: AccessDenied');
});

test('a bucket that is gone is empty', async () => {
  const send = async () => {
    throw Object.assign(new Error('gone'), { name: 'NoSuchBucket' });
  };
  expect(await emptyBucket({ send } as unknown as Pick<S3Client, 'send'>, 'letters')).toBe(0);
});

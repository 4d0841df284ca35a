import {
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';

/** Deletes all versions of all objects, and says how many there were. A bucket that is gone is empty. */
export async function emptyBucket(client: Pick<S3Client, 'send'>, bucket: string): Promise<number> {
  let deleted = 0;
  for (;;) {
    let page: ListObjectVersionsCommandOutput;
    try {
      // Always from the start: what was listed before is gone.
      page = await client.send(new ListObjectVersionsCommand({ Bucket: bucket, MaxKeys: 1_000 }));
    } catch (thrown) {
      if (thrown instanceof Error && thrown.name === 'NoSuchBucket') return deleted;
      throw thrown;
    }
    const objects = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ Key, VersionId }) => ({
      Key,
      VersionId,
    }));
    if (objects.length === 0) return deleted;
    const { Errors = [] } = await client.send(
      new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects, Quiet: true } }),
    );
    const [first] = Errors;
    if (first !== undefined) throw new Error(`${bucket}/${first.Key}: ${first.Code} ${first.Message}`);
    deleted += objects.length;
  }
}

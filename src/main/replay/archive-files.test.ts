import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventWith, recordOf } from '../../../tests/events.ts';
import { DeadLetters } from '../../adapters/aws/dead-letters.ts';
import { readFile } from './archive-files.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dead-letters-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function recordsIn(text: string | Uint8Array): Promise<readonly string[]> {
  const file = join(folder, 'letter');
  writeFileSync(file, text);
  const found: string[] = [];
  for await (const archived of readFile(file, { signal: new AbortController().signal, progress: () => undefined })) {
    found.push(archived.kind);
  }
  return found;
}

test('the record of a dead letter is read as one of an archive', async () => {
  let body = '';
  const client = {
    send: async (command: { readonly input: { readonly Body?: unknown } }) => {
      body = String(command.input.Body);
    },
  };
  const data = recordOf([eventWith({ eventId: 'e1' })]);
  const letters = new DeadLetters({ client: client as never, bucket: 'any' });
  const place = { lane: 'shardId-000000000000', sequence: 7n, partitionKey: 'shop/a' };
  await letters.put({ ...place, data, approximateArrival: 0, streamArn: 'arn', reason: 'tried five times' });
  const asArchive = await recordsIn(Buffer.concat([data, Buffer.from('\n')]));
  expect(asArchive).toEqual(['record']);
  expect(await recordsIn(body)).toEqual(asArchive);
  const two = JSON.parse(JSON.parse(body).payload);
  const payload = JSON.stringify({ Records: [...two.Records, ...two.Records] });
  expect(await recordsIn(JSON.stringify({ ...JSON.parse(body), payload }))).toEqual(['record', 'record']);
});

test('a dead letter that is cut off is named', async () => {
  await expect(recordsIn('{"requestContext":{},"payload":"')).rejects.toThrow('without its records');
});

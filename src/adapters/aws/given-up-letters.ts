import { GetObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { LIMITS } from '../../core/limits.ts';
import { readJson } from '../../core/read-json.ts';
import type { LaneRecord } from '../../log/event-log.ts';
import { type KinesisEvent, readKinesisEvent } from './kinesis-records.ts';

/** What Lambda wrote when it gave up a batch. */
export interface GivenUpLetter {
  /** The shard's id. */
  readonly lane: string;
  readonly records: readonly LaneRecord[];
  /** Lambda's name for why, such as RetryAttemptsExhausted. */
  readonly condition: string;
}

export interface LetterPlace {
  readonly key: string;
  /** When it was put there, epoch milliseconds. */
  readonly atMs: number;
}

/** A document that is not what Lambda writes. */
export class LetterError extends Error {
  override readonly name = 'LetterError';
}

/**
 * Lambda's own keys: `aws/lambda/<event source mapping>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<random>`, so that those of
 * one shard come in the order of their seconds. https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
 */
export const GIVEN_UP_PREFIX = 'aws/lambda/';

/** Reads what Lambda itself gave up, and changes nothing of it. Throws what S3 throws. */
export class GivenUpLetters {
  readonly #client: Pick<S3Client, 'send'>;
  readonly #bucket: string;

  constructor({ client, bucket }: { readonly client: Pick<S3Client, 'send'>; readonly bucket: string }) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** One for each mapping and shard that something was given up of. */
  async folders(): Promise<readonly string[]> {
    const folders: string[] = [];
    for await (const mapping of this.#within(GIVEN_UP_PREFIX)) {
      for await (const shard of this.#within(mapping)) folders.push(shard);
    }
    return folders;
  }

  /** A folder's documents after a key, in the order of their keys. */
  async *after(folder: string, key: string | undefined): AsyncGenerator<LetterPlace, void> {
    for await (const { Contents = [] } of this.#pages({ Prefix: folder, ...(key && { StartAfter: key }) })) {
      for (const { Key, LastModified } of Contents) {
        if (Key !== undefined) yield { key: Key, atMs: LastModified?.getTime() ?? 0 };
      }
    }
  }

  /** Throws LetterError too. */
  async read(key: string): Promise<GivenUpLetter> {
    const { Body, ContentLength = 0 } = await this.#client.send(
      new GetObjectCommand({ Bucket: this.#bucket, Key: key }),
    );
    if (ContentLength > LIMITS.deadLetterBytesMax) {
      throw new LetterError(
        `${key} has ${ContentLength} bytes; a dead letter has at most ${LIMITS.deadLetterBytesMax}`,
      );
    }
    return letterOf(key, (await Body?.transformToString()) ?? '');
  }

  async *#within(prefix: string): AsyncGenerator<string, void> {
    for await (const { CommonPrefixes = [] } of this.#pages({ Prefix: prefix, Delimiter: '/' })) {
      for (const { Prefix } of CommonPrefixes) if (Prefix !== undefined) yield Prefix;
    }
  }

  async *#pages(input: { readonly Prefix: string; readonly Delimiter?: string; readonly StartAfter?: string }) {
    let token: string | undefined;
    do {
      const page = await this.#client.send(
        new ListObjectsV2Command({ Bucket: this.#bucket, ...input, ...(token && { ContinuationToken: token }) }),
      );
      yield page;
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }
}

function letterOf(key: string, document: string): GivenUpLetter {
  try {
    const { requestContext, payload } = readJson(document) as {
      readonly requestContext?: { readonly condition?: string };
      readonly payload: string;
    };
    const { lane, records } = readKinesisEvent(readJson(payload) as KinesisEvent);
    return { lane, records, condition: String(requestContext?.condition ?? 'unknown') };
  } catch (cause) {
    throw new LetterError(`${key} is no document of Lambda with its records: ${String(cause)}`, { cause });
  }
}

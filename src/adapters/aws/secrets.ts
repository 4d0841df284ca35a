import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { LIMITS } from '../../core/limits.ts';
import type { Clock } from '../../core/time.ts';
import { connections } from './connections.ts';

/** A client that keeps its connection, and gives up soon: a request waits for it. */
export function createSecretsClient(
  options: { readonly endpoint?: string; readonly region?: string } = {},
): SecretsManagerClient {
  return new SecretsManagerClient({
    ...options,
    maxAttempts: 2,
    requestHandler: connections({ requestMsMax: LIMITS.awsConnectMsMax, socketsMax: 1 }),
  });
}

export interface SecretOptions {
  readonly client: Pick<SecretsManagerClient, 'send'>;
  readonly arn: string;
  readonly clock: Clock;
  /** Told when the secret cannot be read. */
  readonly report: (fault: unknown) => void;
}

/**
 * A secret's text, kept for `secretMsMax`. When that is over, the next who asks gets the old one at once, while it is
 * read anew; should that fail, the old one stays. At most one call is in flight.
 */
export class Secret {
  readonly #options: SecretOptions;
  #text: string | undefined;
  /** Until then nothing is asked. */
  #freshUntilMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(options: SecretOptions) {
    this.#options = options;
  }

  /** What `look` last found; undefined while the secret was never read. */
  get text(): string | undefined {
    return this.#text;
  }

  /** Sees to it that `text` is there and not too old. Resolves in any case; waits only while there is no text at all. */
  async look(): Promise<void> {
    if (this.#options.clock() >= this.#freshUntilMs) this.#reading ??= this.#read();
    if (this.#text === undefined) await this.#reading;
  }

  /** Resolves when no call is in flight: Lambda freezes a function that has answered, and its connections break. */
  async settled(): Promise<void> {
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { client, arn, clock, report } = this.#options;
    try {
      const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: arn }));
      if (SecretString === undefined || SecretString === '') throw new Error(`the secret ${arn} has no text`);
      this.#text = SecretString;
      this.#freshUntilMs = clock() + LIMITS.secretMsMax;
    } catch (thrown) {
      report(thrown);
      // Without any text, the next request tries again.
      if (this.#text !== undefined) this.#freshUntilMs = clock() + LIMITS.secretRetryMs;
    } finally {
      this.#reading = undefined;
    }
  }
}

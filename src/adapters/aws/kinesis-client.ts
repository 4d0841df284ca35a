import { KinesisClient, type KinesisClientConfig } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { LIMITS } from '../../core/limits.ts';

export type KinesisLimits = {
  readonly [Name in keyof typeof LIMITS as Name extends `kinesis${string}` | 'waitingBytesMax' ? Name : never]: number;
};

/** A client for KinesisEventLog, which retries itself: it does not, and gives up on what is not answered in time. */
export function createKinesisClient(
  options: Pick<KinesisClientConfig, 'endpoint' | 'region' | 'credentials'> & {
    /** @default core/limits.ts */
    readonly limits?: Partial<KinesisLimits>;
  } = {},
): KinesisClient {
  const { limits, ...config } = options;
  const { kinesisCallsMax, kinesisConnectMsMax, kinesisRequestMsMax } = { ...LIMITS, ...limits };
  const agent = { keepAlive: true, maxSockets: kinesisCallsMax };
  // HTTP/1.1: the SDK's default for Kinesis is HTTP/2, which emulators do not speak.
  const requestHandler = new NodeHttpHandler({
    connectionTimeout: kinesisConnectMsMax,
    requestTimeout: kinesisRequestMsMax,
    // Without it the request time-out is a warning only. It ends with the headers; for the body there is the socket's.
    throwOnRequestTimeout: true,
    socketTimeout: kinesisRequestMsMax,
    httpAgent: agent,
    httpsAgent: agent,
  });
  return new KinesisClient({ ...config, maxAttempts: 1, requestHandler });
}

import { KinesisClient, type KinesisClientConfig } from '@aws-sdk/client-kinesis';
import { LIMITS } from '../../core/limits.ts';
import { connections } from './connections.ts';

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
  const requestHandler = connections({
    connectMsMax: kinesisConnectMsMax,
    requestMsMax: kinesisRequestMsMax,
    socketsMax: kinesisCallsMax,
  });
  return new KinesisClient({ ...config, maxAttempts: 1, requestHandler });
}

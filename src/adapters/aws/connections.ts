import { NodeHttpHandler } from '@smithy/node-http-handler';
import { LIMITS } from '../../core/limits.ts';

/**
 * Connections to a service of AWS, kept for the next call: HTTP/1.1, which emulators speak too (the SDK's default for Kinesis is
 * HTTP/2). What is not connected or answered in time fails.
 */
export function connections(options: {
  /** @default awsConnectMsMax */
  readonly connectMsMax?: number;
  readonly requestMsMax: number;
  /** @default awsSocketsMax */
  readonly socketsMax?: number;
}): NodeHttpHandler {
  const { connectMsMax = LIMITS.awsConnectMsMax, requestMsMax, socketsMax = LIMITS.awsSocketsMax } = options;
  const agent = { keepAlive: true, maxSockets: socketsMax };
  return new NodeHttpHandler({
    connectionTimeout: connectMsMax,
    requestTimeout: requestMsMax,
    // Without it the request time-out is a warning only. It ends with the headers; for the body there is the socket's.
    throwOnRequestTimeout: true,
    socketTimeout: requestMsMax,
    httpAgent: agent,
    httpsAgent: agent,
  });
}

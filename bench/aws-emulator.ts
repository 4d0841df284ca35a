/**
 * An emulator in a process of its own, which speaks TLS and answers as late as a service of AWS would. Without the delay,
 * calls that are made side by side would be answered one after the other, and look as if each waited for the one before.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { TableNames } from '../src/adapters/aws/tables.ts';
import { startDynamo } from '../tests/emulators/dynamo.ts';
import { startFakeAws } from '../tests/emulators/fake-aws.ts';
import { startKinesis } from '../tests/emulators/kinesis.ts';

export type Service = 'kinesis' | 'dynamodb' | 'secretsmanager';

export interface EmulatorOptions {
  readonly service: Service;
  readonly latencyMs: number;
  readonly shards: number;
  /** Files. */
  readonly certificate: string;
  readonly key: string;
  /** Texts by ARN. */
  readonly secrets: Readonly<Record<string, string>>;
}

export interface Emulator {
  /** At once, and in plain HTTP. */
  readonly near: string;
  /** Late, and over TLS. */
  readonly far: string;
  readonly tables?: TableNames;
}

export const STREAM = 'events';

/** What is sent there arrives so much later. */
async function farFrom(near: string, { latencyMs, certificate, key }: EmulatorOptions): Promise<string> {
  const { hostname, port } = new URL(near);
  const options = { cert: readFileSync(certificate), key: readFileSync(key) };
  const server = createServer(options, (client: Socket) => {
    const service = connect({ host: hostname, port: Number(port), noDelay: true });
    client.setNoDelay(true);
    // Timers of one length go off in their order.
    client.on('data', (bytes) => setTimeout(() => service.write(bytes), latencyMs));
    service.on('data', (bytes) => client.write(bytes));
    for (const event of ['close', 'error']) {
      client.on(event, () => service.destroy());
      service.on(event, () => client.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function start({ service, shards, secrets }: EmulatorOptions): Promise<Omit<Emulator, 'far'>> {
  switch (service) {
    case 'kinesis': {
      const { endpoint: near, makeStream } = await startKinesis();
      await makeStream({ stream: STREAM, shardCount: shards });
      return { near };
    }
    case 'dynamodb': {
      const { client, tables } = await startDynamo();
      const at = await client.config.endpoint?.();
      if (at === undefined) throw new Error('the client of the emulator has no endpoint');
      return { near: `${at.protocol}//${at.hostname}:${at.port}`, tables };
    }
    case 'secretsmanager': {
      const aws = await startFakeAws();
      for (const [arn, text] of Object.entries(secrets)) aws.secrets.set(arn, text);
      return { near: aws.endpoint };
    }
  }
}

if (import.meta.main) {
  const options = JSON.parse(process.argv[2] ?? '') as EmulatorOptions;
  const started = await start(options);
  process.send?.({ ...started, far: await farFrom(started.near, options) } satisfies Emulator);
  process.on('disconnect', () => process.exit());
}

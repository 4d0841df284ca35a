import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { expect, test } from 'vitest';
import { LIMITS } from '../../core/limits.ts';
import { Secret } from './secrets.ts';

/** A client whose answers the test gives, and a clock that it sets. */
function fakes() {
  const calls: { readonly id: string | undefined; readonly answer: PromiseWithResolvers<unknown> }[] = [];
  const faults: unknown[] = [];
  const time = { nowMs: 1_000 };
  const client = {
    send: (command: unknown) => {
      if (!(command instanceof GetSecretValueCommand)) throw new Error('another command');
      const answer = Promise.withResolvers<unknown>();
      calls.push({ id: command.input.SecretId, answer });
      return answer.promise;
    },
  };
  const secret = new Secret({
    client: client as ConstructorParameters<typeof Secret>[0]['client'],
    arn: 'arn:secret',
    clock: () => time.nowMs,
    report: (fault) => faults.push(fault),
  });
  return { secret, calls, faults, time };
}

async function read(text: string) {
  const all = fakes();
  const looking = all.secret.look();
  all.calls[0]?.answer.resolve({ SecretString: text });
  await looking;
  return all;
}

test('the first who look wait for one call, and the text is kept', async () => {
  const { secret, calls, time } = fakes();
  const looking = [secret.look(), secret.look()];
  expect(calls.map(({ id }) => id)).toEqual(['arn:secret']);
  calls[0]?.answer.resolve({ SecretString: 'key' });
  await Promise.all(looking);
  time.nowMs += LIMITS.secretMsMax - 1;
  await secret.look();
  expect(calls).toHaveLength(1);
  expect(secret.text).toBe('key');
});

test('an old text is used while one call reads it anew', async () => {
  const { secret, calls, time } = await read('old');
  time.nowMs += LIMITS.secretMsMax;
  await secret.look();
  await secret.look();
  expect(calls).toHaveLength(2);
  expect(secret.text).toBe('old');
  let isSettled = false;
  const settled = secret.settled().then(() => {
    isSettled = true;
  });
  await Promise.resolve();
  expect(isSettled).toBe(false);
  calls[1]?.answer.resolve({ SecretString: 'new' });
  await settled;
  expect(secret.text).toBe('new');
});

test('when reading anew fails the old text stays, and it is tried again later', async () => {
  const { secret, calls, faults, time } = await read('old');
  time.nowMs += LIMITS.secretMsMax;
  await secret.look();
  calls[1]?.answer.reject(new Error('planted'));
  await secret.settled();
  expect(secret.text).toBe('old');
  expect(faults).toHaveLength(1);
  await secret.look();
  expect(calls).toHaveLength(2);
  time.nowMs += LIMITS.secretRetryMs;
  await secret.look();
  expect(calls).toHaveLength(3);
});

test('without any text each who looks tries again, and there is none', async () => {
  const { secret, calls, faults } = fakes();
  const first = secret.look();
  calls[0]?.answer.resolve({});
  await first;
  expect(secret.text).toBeUndefined();
  const second = secret.look();
  calls[1]?.answer.reject(new Error('planted'));
  await second;
  expect(secret.text).toBeUndefined();
  expect(faults).toHaveLength(2);
});

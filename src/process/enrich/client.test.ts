import { expect, test } from 'vitest';
import { apps, bots, consoles, desktops, others, phones, tablets, televisions } from '../../../tests/user-agents.ts';
import { LIMITS } from '../../core/limits.ts';
import { createClientOf } from './client.ts';

const clientOf = createClientOf();

test.each([...desktops, ...phones, ...tablets, ...apps, ...televisions, ...consoles, ...others])(
  '%s on %s (%s): %s',
  (browser, os, device, userAgent) => {
    const client = clientOf(userAgent);
    const { browser: foundBrowser = '-', os: foundOs = '-', device: foundDevice = '-', bot } = client;
    expect([foundBrowser, foundOs, foundDevice, bot]).toEqual([browser, os, device, undefined]);
  },
);

test.each(bots)('a bot: %s', (userAgent) => {
  expect(clientOf(userAgent).bot).toBe(true);
});

test.each([[undefined], [''], [null], [7], [true], [['Mozilla/5.0']], [{ browser: 'Chrome' }]])(
  'nothing is known of %j, and it is no bot',
  (userAgent) => {
    expect(clientOf(userAgent)).toEqual({});
  },
);

test('a bot that takes the name of a browser keeps it, for bots are left out as a whole', () => {
  const [, , , userAgent = ''] = desktops[0] ?? [];
  expect(clientOf(`${userAgent} (compatible; Googlebot/2.1)`)).toEqual({ ...clientOf(userAgent), bot: true });
});

test('one user agent gives one object, and a new reader the same values', () => {
  for (const [, , , userAgent] of [...desktops, ...phones]) {
    expect(clientOf(userAgent)).toBe(clientOf(userAgent));
    expect(createClientOf()(userAgent)).toEqual(clientOf(userAgent));
  }
});

test('a long user agent is cut before it is read', () => {
  const [, , , userAgent = ''] = phones[0] ?? [];
  expect(clientOf(userAgent + ' '.repeat(60_000))).toEqual(clientOf(userAgent));
  expect(clientOf(`${userAgent}${' '.repeat(LIMITS.userAgentCharsMax)}Googlebot`)).toEqual(clientOf(userAgent));
});

test('a run without punctuation ends what is parsed, but a bot in it is a bot', () => {
  const [, , , userAgent = ''] = phones[0] ?? [];
  expect(clientOf(`${userAgent};${'archos1789'.repeat(10)}`)).toEqual(clientOf(userAgent));
  expect(clientOf(`${'x'.repeat(70)} ${userAgent}`)).toEqual({});
  expect(clientOf(`${'x'.repeat(70)} ${userAgent} Googlebot`)).toEqual({ bot: true });
});

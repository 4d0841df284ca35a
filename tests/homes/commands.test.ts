import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium } from '../browser/chromium.ts';
import { killServers } from '../end-to-end/running-server.ts';
import { COMMAND_PARTS, PLANTED } from './commands.ts';
import { livePage } from './live-page.ts';
import { type LocalHome, startLocalHome } from './local-home.ts';
import { startLyingHome } from './lying-home.ts';
import { openPaths } from './open-paths.ts';
import { type CommandHome, Shell } from './shell.ts';

let home: LocalHome;
let shell: Shell;

beforeAll(async () => {
  home = await startLocalHome(PLANTED);
  shell = new Shell(home);
}, 60_000);
afterAll(async () => {
  await home.stop();
  killServers();
});

describe('the commands against a server of this machine', () => {
  test.each(Object.entries(COMMAND_PARTS))(
    '%s',
    async (_, play) => {
      expect(await play(shell)).not.toBe('');
    },
    120_000,
  );

  test('are all of those that ask a server', () => {
    expect(shell.notPlayed()).toEqual([]);
  });
});

describe('a home that answers otherwise is found', () => {
  const part = (name: string) => (other: CommandHome) => COMMAND_PARTS[name]?.(new Shell(other)) ?? Promise.resolve('');
  const open = (other: CommandHome) => openPaths(other, home.names);
  test.each([
    ['events in another order', part('the newest events'), '/2', '/1', /Newest/],
    [
      'a ledger that does not balance',
      part('audit'),
      '"balanced":true',
      '"balanced":false',
      /Not balanced|audit --json/,
    ],
    ['another text of the 401', part('refusals'), 'Reading needs a token', 'It needs a token', /It needs a token/],
    ['a file named by /ready', open, '"reasons":[]', '"reasons":["store.sqlite"]', /\/ready/],
    ['a name in the document', open, '"title":"Clickstream"', '"title":"store.sqlite"', /\/openapi\.json/],
    ['an event told by a refusal', open, 'nothing is served at', 'a-key-to-write', /tells them to anyone/],
  ] as const)(
    '%s',
    async (_, play, text, told, found) => {
      const lying = await startLyingHome(home, { text, told });
      try {
        await expect(play(lying)).rejects.toThrow(found);
      } finally {
        lying.stop();
      }
    },
    60_000,
  );

  test('and one that does not is well', async () => {
    const honest = await startLyingHome(home, { text: 'said by nobody', told: '' });
    try {
      expect(await part('audit')(honest)).toBe('audit balanced');
      expect(await open(honest)).not.toBe('');
    } finally {
      honest.stop();
    }
  }, 60_000);
});

test('what is open to all on this machine tells nothing', async () => {
  expect(await openPaths(home, home.names)).toContain('/metrics with the token');
}, 60_000);

test('the page of this machine asks for the token, and shows events as they come', async () => {
  const browser = await launchChromium();
  try {
    expect(await livePage(browser, home)).toContain('live again');
  } finally {
    await browser.close();
  }
}, 120_000);

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium } from '../browser/chromium.ts';
import { killServers } from '../end-to-end/running-server.ts';
import { COMMAND_PARTS, PLANTED } from './commands.ts';
import { livePage } from './live-page.ts';
import { type LocalHome, startLocalHome } from './local-home.ts';
import { openPaths } from './open-paths.ts';
import { Shell } from './shell.ts';

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

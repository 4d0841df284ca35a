import packed from '@sparticuz/chromium';
import { type Browser, chromium } from 'playwright-core';

/**
 * The package's own arguments are for screenshots: under the first of these no page is held to CORS, and under the
 * second pages, tabs and what outlives them share one process, which no visitor's browser does.
 */
const UNREAL = new Set(['--disable-web-security', '--single-process']);

/** A real Chromium, for which every name under .test is this machine: so shop and collector can be sites of their own. */
export async function launchChromium(): Promise<Browser> {
  const args = packed.args.filter((argument) => !UNREAL.has(argument));
  return chromium.launch({
    executablePath: await packed.executablePath(),
    // Under LANG=C this one would have a language that is no tag of one (en-US@posix), as no person's browser has.
    args: [...args, '--accept-lang=en-US', '--host-resolver-rules=MAP *.test 127.0.0.1'],
  });
}

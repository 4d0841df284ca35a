/** The dashboard in a real Chromium, with a watch over what it must never do. */
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';

export interface Dashboard {
  readonly page: Page;
  /** What threw, broke the page's policy, asked another host, or ran though it was data. */
  readonly faults: readonly string[];
}

/** Opens the page at this address (`#/people`), with the token given as a person would. */
export async function openDashboard(
  browser: Browser,
  { url, token, hash = '' }: { readonly url: string; readonly token?: string; readonly hash?: string },
): Promise<Dashboard> {
  const context = await browser.newContext({ viewport: { width: 1_280, height: 900 } });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (fault) => faults.push(fault.message));
  page.on('dialog', (dialog) => {
    faults.push(`a dialog was opened: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('blob:')) faults.push(`asked for ${request.url()}`);
  });
  await page.addInitScript(`
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sourceFile, lineNumber }) =>
      console.error('broke the policy:', violatedDirective, blockedURI, sourceFile, lineNumber));
  `);
  page.on('console', (message) => {
    if (/broke the policy|Content Security Policy/.test(message.text())) faults.push(message.text());
  });
  await page.goto(`${url}/${hash}`);
  if (token !== undefined) {
    await page.getByLabel('Read token').fill(token);
    await page.getByRole('button', { name: 'Open' }).click();
  }
  return { page, faults };
}

/** What axe finds that is serious or critical, in the colours for light and for dark. */
export async function axeFindings(page: Page): Promise<readonly string[]> {
  const found: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe.source);
    const violations = (await page.evaluate(
      `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(
        ({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ html, failureSummary }) => html + ' ' + failureSummary) })))`,
    )) as readonly { readonly id: string; readonly impact: string; readonly nodes: readonly string[] }[];
    for (const { id, impact, nodes } of violations) {
      if (impact === 'serious' || impact === 'critical')
        found.push(`${colorScheme} ${impact} ${id}: ${nodes.join(' | ')}`);
    }
  }
  await page.emulateMedia({ colorScheme: null });
  return found;
}

/** How much wider than the window the page is, at the width of a phone and of a desk. */
export async function overflows(page: Page): Promise<readonly number[]> {
  const found: number[] = [];
  for (const width of [360, 1_280]) {
    await page.setViewportSize({ width, height: 900 });
    // A chart is drawn anew for its new width a moment later.
    await page.waitForTimeout(300);
    found.push(await page.evaluate('document.documentElement.scrollWidth - innerWidth'));
  }
  return found;
}

import type { RunningServer } from '../end-to-end/running-server.ts';

const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36';
const BOT = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';

/** Events of every kind, some of them wrong: what a schema of answers must allow. */
export function variedEvents(now: number): readonly unknown[] {
  const at = (minutes: number) => new Date(now - minutes * 60_000).toISOString();
  const page = {
    url: 'https://shop.example/a?utm_source=mail&utm_campaign=spring',
    path: '/a',
    referrer: 'https://www.google.com/',
  };
  return [
    {
      type: 'page',
      anonymousId: 'd1',
      messageId: 'm1',
      timestamp: at(90),
      context: { userAgent: CHROME, locale: 'de-DE', page },
    },
    { type: 'page', anonymousId: 'd1', timestamp: at(20), sentAt: at(19), properties: { path: '/b' } },
    { type: 'identify', anonymousId: 'd1', userId: 'ada', traits: { plan: 'pro', ключ: [null, 1.5, '😀'] } },
    { type: 'track', event: 'Signed Up', anonymousId: 'd1', userId: 'ada', timestamp: now - 30_000 },
    { type: 'track', event: 'Signed Up', userId: 'ada', timestamp: '2026-06-31T10:00:00.123456789Z' },
    { type: 'track', event: 'ünï/cödé "quoted" 😀', userId: 'a/b é', properties: { nested: { deep: [{ er: true }] } } },
    { type: 'screen', name: 'Home', anonymousId: 'phone' },
    { type: 'group', userId: 'ada', groupId: 'acme', traits: { seats: 3 } },
    { type: 'alias', userId: 'ada', previousId: 'd1' },
    { type: 'page', anonymousId: 'crawler', context: { userAgent: BOT, page } },
    { type: 'page', anonymousId: 'late', timestamp: at(1) },
    { type: 'page', anonymousId: 'late', timestamp: at(300) },
    { type: 'trck', userId: 'u1' },
    { type: 'page' },
    { type: 'track', userId: 'u1' },
    { type: 'page', userId: 'u1', timestamp: 'yesterday' },
    { type: 'page', userId: 'u1', properties: 'none' },
    'no object',
  ];
}

export async function send(server: Pick<RunningServer, 'url'>, batch: readonly unknown[]): Promise<void> {
  const response = await fetch(`${server.url}/v1/batch`, { method: 'POST', body: JSON.stringify({ batch }) });
  if (response.status !== 200) throw new Error(`a batch was answered ${response.status}: ${await response.text()}`);
}

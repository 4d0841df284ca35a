import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../core/json.ts';
import { createTrafficOf, type Traffic } from './traffic.ts';

const trafficOf = createTrafficOf();
const PAGE = 'https://shop.example/lamps';

function trafficOfPage(page: JsonObject, domains: readonly string[] = []): Traffic {
  return trafficOf({ eventType: 'track', properties: {}, context: { page } }, domains);
}

describe('a referrer without any mark on the link', () => {
  test.each([
    // Search.
    ['https://www.google.com/', 'google.com', 'search', 'Google', 'organic'],
    ['https://www.google.co.uk/url?q=lamps', 'google.co.uk', 'search', 'Google', 'organic'],
    ['https://www.google.com.br', 'google.com.br', 'search', 'Google', 'organic'],
    ['https://google.de/search?q=lampe', 'google.de', 'search', 'Google', 'organic'],
    ['HTTP://WWW.GOOGLE.COM:80/#q=x', 'google.com', 'search', 'Google', 'organic'],
    [
      'android-app://com.google.android.googlequicksearchbox/',
      'com.google.android.googlequicksearchbox',
      'search',
      'Google',
      'organic',
    ],
    ['https://www.bing.com/', 'bing.com', 'search', 'Bing', 'organic'],
    ['https://cn.bing.com/search?q=a', 'cn.bing.com', 'search', 'Bing', 'organic'],
    ['https://duckduckgo.com/', 'duckduckgo.com', 'search', 'DuckDuckGo', 'organic'],
    ['https://search.yahoo.com/', 'search.yahoo.com', 'search', 'Yahoo', 'organic'],
    ['https://r.search.yahoo.com/_ylt=Awr', 'r.search.yahoo.com', 'search', 'Yahoo', 'organic'],
    ['https://search.yahoo.co.jp/search?p=a', 'search.yahoo.co.jp', 'search', 'Yahoo', 'organic'],
    ['https://yandex.ru/clck/jsredir', 'yandex.ru', 'search', 'Yandex', 'organic'],
    ['https://yandex.com.tr/', 'yandex.com.tr', 'search', 'Yandex', 'organic'],
    ['https://m.baidu.com/from=1', 'm.baidu.com', 'search', 'Baidu', 'organic'],
    ['https://www.ecosia.org/', 'ecosia.org', 'search', 'Ecosia', 'organic'],
    ['https://search.brave.com/', 'search.brave.com', 'search', 'Brave Search', 'organic'],
    ['https://m.search.naver.com/search.naver', 'm.search.naver.com', 'search', 'Naver', 'organic'],
    ['https://search.seznam.cz/', 'search.seznam.cz', 'search', 'Seznam', 'organic'],
    // Social.
    ['https://l.facebook.com/', 'l.facebook.com', 'social', 'Facebook', 'social'],
    ['https://m.facebook.com/groups/1', 'm.facebook.com', 'social', 'Facebook', 'social'],
    ['android-app://com.facebook.katana/', 'com.facebook.katana', 'social', 'Facebook', 'social'],
    ['https://l.instagram.com/', 'l.instagram.com', 'social', 'Instagram', 'social'],
    ['https://t.co/aBcDeF', 't.co', 'social', 'X', 'social'],
    ['https://x.com/', 'x.com', 'social', 'X', 'social'],
    ['https://www.linkedin.com/feed/', 'linkedin.com', 'social', 'LinkedIn', 'social'],
    ['android-app://com.linkedin.android/', 'com.linkedin.android', 'social', 'LinkedIn', 'social'],
    ['https://lnkd.in/', 'lnkd.in', 'social', 'LinkedIn', 'social'],
    ['https://www.pinterest.co.uk/', 'pinterest.co.uk', 'social', 'Pinterest', 'social'],
    ['https://de.pinterest.com/', 'de.pinterest.com', 'social', 'Pinterest', 'social'],
    ['https://old.reddit.com/r/lamps', 'old.reddit.com', 'social', 'Reddit', 'social'],
    ['https://www.youtube.com/', 'youtube.com', 'social', 'YouTube', 'social'],
    ['https://www.tiktok.com/', 'tiktok.com', 'social', 'TikTok', 'social'],
    ['https://web.telegram.org/', 'web.telegram.org', 'social', 'Telegram', 'social'],
    ['https://away.vk.com/', 'away.vk.com', 'social', 'VK', 'social'],
    ['https://news.ycombinator.com/', 'news.ycombinator.com', 'social', 'Hacker News', 'social'],
    // Mail.
    ['https://mail.google.com/mail/u/0/', 'mail.google.com', 'mail', 'Gmail', 'email'],
    ['android-app://com.google.android.gm', 'com.google.android.gm', 'mail', 'Gmail', 'email'],
    ['https://outlook.live.com/', 'outlook.live.com', 'mail', 'Outlook', 'email'],
    ['https://mail.yahoo.com/d/folders/1', 'mail.yahoo.com', 'mail', 'Yahoo Mail', 'email'],
    ['https://deref-gmx.net/', 'deref-gmx.net', 'referral', 'deref-gmx.net', 'referral'],
    ['https://navigator-bs.gmx.net/', 'navigator-bs.gmx.net', 'mail', 'GMX', 'email'],
    ['https://e.mail.ru/', 'e.mail.ru', 'mail', 'Mail.ru', 'email'],
    // Other sites, known and not.
    ['https://docs.google.com/document/d/1', 'docs.google.com', 'referral', 'docs.google.com', 'referral'],
    ['https://news.google.com/', 'news.google.com', 'referral', 'Google News', 'referral'],
    ['https://en.m.wikipedia.org/wiki/Lamp', 'en.m.wikipedia.org', 'referral', 'Wikipedia', 'referral'],
    ['https://chatgpt.com/', 'chatgpt.com', 'referral', 'ChatGPT', 'referral'],
    ['https://blog.example.org/ten-lamps', 'blog.example.org', 'referral', 'blog.example.org', 'referral'],
    ['http://192.0.2.1:8080/', '192.0.2.1', 'referral', '192.0.2.1', 'referral'],
    ['http://[2001:db8::1]:8080/', '[2001:db8::1]', 'referral', '[2001:db8::1]', 'referral'],
    ['https://xn--bcher-kva.example/', 'xn--bcher-kva.example', 'referral', 'xn--bcher-kva.example', 'referral'],
    ['https://bücher.example/', 'bücher.example', 'referral', 'bücher.example', 'referral'],
    // Names that only look like others.
    ['https://google.com.evil.example/', 'google.com.evil.example', 'referral', 'google.com.evil.example', 'referral'],
    ['https://notgoogle.com/', 'notgoogle.com', 'referral', 'notgoogle.com', 'referral'],
    ['https://google.com@evil.example/', 'evil.example', 'referral', 'evil.example', 'referral'],
    ['https://netflix.com/', 'netflix.com', 'referral', 'netflix.com', 'referral'],
    ['https://www.com/', 'www.com', 'referral', 'www.com', 'referral'],
  ])('%s', (url, referrer, channel, source, medium) => {
    expect(trafficOfPage({ url: PAGE, referrer: url })).toEqual({ referrer, channel, source, medium });
  });
});

describe('a marked link', () => {
  const google = 'https://www.google.com/';
  const facebook = 'https://l.facebook.com/';
  test.each([
    // Query, referrer; channel, source, medium, campaign.
    ['utm_source=newsletter&utm_medium=email&utm_campaign=autumn', '', 'mail', 'newsletter', 'email', 'autumn'],
    ['utm_source=newsletter', '', 'mail', 'newsletter', 'email', undefined],
    ['utm_source=google&utm_medium=cpc&utm_campaign=Brand+UK', google, 'paid', 'Google', 'cpc', 'Brand UK'],
    ['utm_source=google&utm_medium=organic', google, 'search', 'Google', 'organic', undefined],
    ['gclid=EAIaIQobChMI', google, 'paid', 'Google', 'cpc', undefined],
    ['gad_source=1&gbraid=0AAAAAD&gclid=Cj0', '', 'paid', 'Google', 'cpc', undefined],
    ['wbraid=ClEKC', '', 'paid', 'Google', 'cpc', undefined],
    ['msclkid=0a1b', 'https://www.bing.com/', 'paid', 'Bing', 'cpc', undefined],
    ['yclid=1234', 'https://yandex.ru/', 'paid', 'Yandex', 'cpc', undefined],
    ['ttclid=E.C.P', '', 'paid', 'TikTok', 'cpc', undefined],
    ['twclid=2-3', 'https://t.co/', 'paid', 'X', 'cpc', undefined],
    ['li_fat_id=abc', '', 'paid', 'LinkedIn', 'cpc', undefined],
    ['ScCid=abc', '', 'paid', 'Snapchat', 'cpc', undefined],
    ['fbclid=IwAR', facebook, 'social', 'Facebook', 'social', undefined],
    ['fbclid=IwAR', '', 'social', 'Facebook', 'social', undefined],
    ['fbclid=IwAR&utm_medium=paid_social&utm_source=ig', facebook, 'paid', 'Instagram', 'paid_social', undefined],
    ['fbclid=IwAR&gclid=Cj0', facebook, 'paid', 'Google', 'cpc', undefined],
    ['srsltid=AfmB', google, 'search', 'Google', 'organic', undefined],
    ['mc_cid=1&mc_eid=2', '', 'mail', undefined, 'email', undefined],
    ['utm_source=facebook&utm_medium=cpc', '', 'paid', 'Facebook', 'cpc', undefined],
    ['utm_source=FB&utm_medium=Paid', '', 'paid', 'Facebook', 'paid', undefined],
    ['utm_source=fb', '', 'social', 'Facebook', 'social', undefined],
    ['utm_source=facebook.com', '', 'social', 'Facebook', 'social', undefined],
    ['utm_source=twitter', 'https://t.co/', 'social', 'X', 'social', undefined],
    ['utm_source=linkedin&utm_medium=organic-social', '', 'social', 'LinkedIn', 'organic-social', undefined],
    ['utm_source=chatgpt.com', 'https://chatgpt.com/', 'referral', 'ChatGPT', 'referral', undefined],
    ['utm_source=klaviyo&utm_medium=e-mail', '', 'mail', 'klaviyo', 'e-mail', undefined],
    ['utm_source=partner-site&utm_medium=affiliate', '', 'referral', 'partner-site', 'affiliate', undefined],
    ['utm_source=taboola&utm_medium=display', 'https://news.example/', 'paid', 'taboola', 'display', undefined],
    ['utm_source=criteo&utm_medium=retargeting', '', 'paid', 'criteo', 'retargeting', undefined],
    ['utm_source=flyer&utm_medium=qr&utm_campaign=spring', '', 'referral', 'flyer', 'qr', 'spring'],
    ['utm_campaign=spring', google, 'search', 'Google', 'organic', 'spring'],
    ['utm_campaign=spring', '', 'referral', undefined, 'referral', 'spring'],
    ['utm_source=push', facebook, 'social', 'push', 'social', undefined],
    ['utm_source=shop&amp;utm_medium=email', '', 'mail', 'shop', 'email', undefined],
    ['colour=red&UTM_Source=News%20Letter&x=1', '', 'referral', 'news letter', 'referral', undefined],
    ['utm_source=a&utm_source=b', '', 'referral', 'a', 'referral', undefined],
    ['utm_campaign=%E2%9C%93%20yes&utm_source=x', '', 'social', 'X', 'social', '✓ yes'],
    ['utm_campaign=100%&utm_source=x', '', 'social', 'X', 'social', '100%'],
    ['utm_campaign=%00%1Ba%0A&utm_source=x', '', 'social', 'X', 'social', 'a'],
  ])('?%s from %j', (query, referrer, channel, source, medium, campaign) => {
    const { referrer: _, ...rest } = trafficOfPage({ url: `${PAGE}?${query}#top`, referrer });
    expect(rest).toEqual({
      channel,
      medium,
      ...(source !== undefined && { source }),
      ...(campaign !== undefined && { campaign }),
    });
  });

  test.each([
    ['colour=red'],
    ['gclid='],
    ['utm_source=&utm_medium=&utm_campaign='],
    ['my_utm_source=x&xgclid=1'],
    ['q=utm_source%3Dx'],
    ['utm_source'],
  ])('?%s is no mark', (query) => {
    expect(trafficOfPage({ url: `${PAGE}?${query}`, referrer: '' })).toEqual({ channel: 'direct' });
  });

  test('the fragment is no query', () => {
    expect(trafficOfPage({ url: `${PAGE}#?utm_source=x`, referrer: '' })).toEqual({ channel: 'direct' });
  });
});

describe('what comes from within', () => {
  test.each([
    ['https://shop.example/', []],
    ['https://www.shop.example/basket?x=1', []],
    ['http://SHOP.example:8080/', []],
    ['https://blog.shop.example/', ['shop.example']],
    ['https://www.other.example/', ['www.other.example']],
    ['https://pay.example/return', ['other.example', 'pay.example']],
  ])('%s, with the domains %j', (referrer, domains) => {
    expect(trafficOfPage({ url: PAGE, referrer }, domains)).toEqual({ channel: 'internal' });
  });

  test.each([
    ['https://blog.shop.example/', []],
    ['https://myshop.example/', ['shop.example']],
    ['https://shop.example.org/', ['shop.example']],
  ])('%s is elsewhere, with the domains %j', (referrer, domains) => {
    expect(trafficOfPage({ url: PAGE, referrer }, domains).channel).toBe('referral');
  });

  test('a marked link within counts as what it says, without the referrer', () => {
    const page = { url: `${PAGE}?utm_source=banner&utm_medium=cpc`, referrer: 'https://shop.example/' };
    expect(trafficOfPage(page)).toEqual({ channel: 'paid', source: 'banner', medium: 'cpc' });
  });
});

describe('where it is read from', () => {
  const campaign = { source: 'Bing', medium: 'CPC', name: 'Lamps', term: 'lamp', content: 'a' };
  const direct: Traffic = { channel: 'direct' };
  const google: Traffic = { referrer: 'google.com', channel: 'search', source: 'Google', medium: 'organic' };
  const paid: Traffic = { channel: 'paid', source: 'Bing', medium: 'cpc', campaign: 'Lamps' };
  const referrer = 'https://google.com/';
  const search = '?utm_source=bing&utm_medium=cpc&utm_campaign=Lamps';

  test.each<[string, string, JsonObject, JsonObject, Traffic]>([
    ['nothing at all', 'track', {}, {}, {}],
    ['a page that has no URL', 'page', {}, { page: { path: '/' } }, {}],
    ['a page alone', 'page', {}, { page: { url: PAGE } }, direct],
    ['an empty referrer', 'page', {}, { page: { referrer: '' } }, direct],
    ['a page call that repeats its page', 'page', { url: PAGE, referrer }, {}, google],
    ['the query of a page call', 'page', { url: PAGE, search }, {}, paid],
    ['properties of a track call', 'Shared', { url: PAGE, referrer }, {}, {}],
    ['the page of the context first', 'page', { referrer: 'https://x.com' }, { page: { url: PAGE, referrer } }, google],
    ['the query on its own', 'track', {}, { page: { search, referrer: '' } }, paid],
    ['the campaign of the context', 'track', {}, { campaign }, paid],
    ['the campaign first', 'track', {}, { campaign, page: { url: `${PAGE}?utm_source=x&utm_medium=email` } }, paid],
    ['the link where the campaign is silent', 'track', {}, { campaign: { name: '' }, page: { search } }, paid],
    ['an empty campaign', 'track', {}, { campaign: {}, page: { url: PAGE } }, direct],
    ['wrong types', 'page', { url: 7 }, { page: ['x'], campaign: 'autumn' }, {}],
    ['more wrong types', 'page', {}, { page: { url: {}, referrer: 7 }, campaign: { source: 1, name: [] } }, {}],
  ])('%s', (_, eventType, properties, context, traffic) => {
    expect(trafficOf({ eventType, properties, context }, [])).toEqual(traffic);
  });

  test.each([
    ['about:blank'],
    ['https://[\0'],
    ['https://[::1'],
    ['file:///home/page.html'],
    ['chrome-extension://abcdef/popup.html'],
    ['data:text/html,x'],
    ['javascript:alert(1)'],
    ['/lamps'],
    ['google.com'],
    ['https://'],
    ['https:///path'],
    ['https://a b/'],
    ['https://<script>/'],
    ['https://a..b/'],
    [`https://${'a'.repeat(300)}.example/`],
  ])('the referrer %s says nothing', (url) => {
    expect(trafficOfPage({ url: PAGE, referrer: url })).toEqual(direct);
  });

  test('URLs too long to be cached are read the same', () => {
    const padding = 'x'.repeat(2_000);
    const url = `${PAGE}?a=${padding}${search.replace('?', '&')}`;
    const expected = { ...paid, referrer: 'google.com' };
    expect(trafficOfPage({ url, referrer: `https://google.com/?q=${padding}` })).toEqual(expected);
  });
});

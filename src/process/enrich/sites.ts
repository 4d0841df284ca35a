/** What kind of site a visitor comes from. */
export type SiteKind = 'search' | 'social' | 'mail' | 'referral';

export interface Site {
  readonly name: string;
  readonly kind: SiteKind;
}

/**
 * Kind, name, hosts. A host stands for itself and all under it, `google.*` for `google.com`, `google.de`, `google.co.uk`
 * and nothing under them, for there Google has much that is no search. The longest host that fits counts. The names of
 * Android's apps (`android-app://com.google.android.gm`) are hosts like others. Words in parentheses are further names
 * that `utm_source` is known to use.
 */
const TABLE: ReadonlyArray<readonly [SiteKind, string, string]> = [
  ['search', 'Google', 'google.* images.google.* com.google.android.googlequicksearchbox (adwords googleads)'],
  ['search', 'Bing', 'bing.com bing.*'],
  ['search', 'Yahoo', 'yahoo.* search.yahoo.com search.yahoo.co.jp'],
  ['search', 'DuckDuckGo', 'duckduckgo.com com.duckduckgo.mobile.android (ddg)'],
  ['search', 'Yandex', 'yandex.* m.yandex.* ya.ru ru.yandex.searchplugin com.yandex.browser'],
  ['search', 'Baidu', 'baidu.com'],
  ['search', 'Ecosia', 'ecosia.org com.ecosia.android'],
  ['search', 'Qwant', 'qwant.com com.qwant.liberty'],
  ['search', 'Brave Search', 'search.brave.com'],
  ['search', 'Startpage', 'startpage.com ixquick.com'],
  ['search', 'Naver', 'search.naver.com'],
  ['search', 'Daum', 'search.daum.net'],
  ['search', 'Seznam', 'search.seznam.cz seznam.cz'],
  ['search', 'Sogou', 'sogou.com'],
  ['search', '360 Search', 'so.com'],
  ['search', 'Shenma', 'sm.cn'],
  ['search', 'AOL', 'search.aol.com aol.com'],
  ['search', 'Ask', 'ask.com'],
  ['search', 'Kagi', 'kagi.com'],
  ['search', 'Mojeek', 'mojeek.com'],
  ['search', 'Swisscows', 'swisscows.com'],
  ['search', 'MetaGer', 'metager.org metager.de'],
  ['search', 'Presearch', 'presearch.com presearch.org'],
  ['search', 'Rambler', 'nova.rambler.ru'],
  ['search', 'Coc Coc', 'coccoc.com'],
  ['search', 'Goo', 'search.goo.ne.jp'],
  ['search', 'Petal Search', 'petalsearch.com'],

  ['social', 'Facebook', 'facebook.com fb.com fb.me fb.gg com.facebook.katana com.facebook.lite (fb)'],
  ['social', 'Messenger', 'messenger.com m.me com.facebook.orca'],
  ['social', 'Instagram', 'instagram.com ig.me com.instagram.android (ig)'],
  ['social', 'Threads', 'threads.net threads.com com.instagram.barcelona'],
  ['social', 'WhatsApp', 'whatsapp.com wa.me com.whatsapp'],
  ['social', 'X', 't.co twitter.com x.com com.twitter.android (twitter)'],
  ['social', 'LinkedIn', 'linkedin.com lnkd.in com.linkedin.android'],
  ['social', 'Pinterest', 'pinterest.* pinterest.com pin.it com.pinterest'],
  ['social', 'Reddit', 'reddit.com redd.it com.reddit.frontpage'],
  ['social', 'YouTube', 'youtube.com youtu.be com.google.android.youtube (yt)'],
  ['social', 'TikTok', 'tiktok.com com.zhiliaoapp.musically com.ss.android.ugc.trill'],
  ['social', 'Snapchat', 'snapchat.com com.snapchat.android'],
  ['social', 'Telegram', 'telegram.org telegram.me t.me org.telegram.messenger'],
  ['social', 'Discord', 'discord.com discordapp.com discord.gg com.discord'],
  ['social', 'Bluesky', 'bsky.app xyz.blueskyweb.app'],
  ['social', 'Mastodon', 'mastodon.social mastodon.online mstdn.social org.joinmastodon.android'],
  ['social', 'Tumblr', 'tumblr.com com.tumblr'],
  ['social', 'VK', 'vk.com vk.ru com.vkontakte.android'],
  ['social', 'Odnoklassniki', 'ok.ru ru.ok.android'],
  ['social', 'Weibo', 'weibo.com weibo.cn com.sina.weibo'],
  ['social', 'WeChat', 'wechat.com weixin.qq.com com.tencent.mm'],
  ['social', 'Line', 'line.me jp.naver.line.android'],
  ['social', 'KakaoTalk', 'kakao.com com.kakao.talk'],
  ['social', 'Quora', 'quora.com com.quora.android'],
  ['social', 'Vimeo', 'vimeo.com'],
  ['social', 'Twitch', 'twitch.tv tv.twitch.android.app'],
  ['social', 'Xing', 'xing.com com.xing.android'],
  ['social', 'Nextdoor', 'nextdoor.com'],
  ['social', 'Hacker News', 'news.ycombinator.com'],
  ['social', 'Flipboard', 'flipboard.com flipboard.app'],

  ['mail', 'Gmail', 'mail.google.com com.google.android.gm'],
  ['mail', 'Outlook', 'outlook.live.com outlook.office.com outlook.office365.com com.microsoft.office.outlook'],
  ['mail', 'Yahoo Mail', 'mail.yahoo.com mail.yahoo.co.jp com.yahoo.mobile.client.android.mail'],
  ['mail', 'iCloud Mail', 'icloud.com'],
  ['mail', 'Proton Mail', 'mail.proton.me mail.protonmail.com ch.protonmail.android'],
  ['mail', 'AOL Mail', 'mail.aol.com'],
  ['mail', 'GMX', 'gmx.net gmx.com gmx.at gmx.ch de.gmx.mobile.android.mail'],
  ['mail', 'WEB.DE', 'web.de de.web.mobile.android.mail'],
  ['mail', 'T-Online', 'email.t-online.de'],
  ['mail', 'Orange Mail', 'mail.orange.fr messagerie.orange.fr'],
  ['mail', 'Yandex Mail', 'mail.yandex.com mail.yandex.ru ru.yandex.mail'],
  ['mail', 'Mail.ru', 'e.mail.ru ru.mail.mailapp'],
  ['mail', 'QQ Mail', 'mail.qq.com'],
  ['mail', 'NetEase Mail', 'mail.163.com mail.126.com'],
  ['mail', 'Naver Mail', 'mail.naver.com'],
  ['mail', 'Zoho Mail', 'mail.zoho.com mail.zoho.eu'],
  ['mail', 'Seznam Email', 'email.seznam.cz'],
  ['mail', 'Fastmail', 'fastmail.com'],
  ['mail', 'Libero Mail', 'mail.libero.it'],
  ['mail', 'Mailchimp', 'list-manage.com mailchi.mp'],

  ['referral', 'Google News', 'news.google.com com.google.android.apps.magazines'],
  ['referral', 'Yahoo News', 'news.yahoo.com news.yahoo.co.jp'],
  ['referral', 'Wikipedia', 'wikipedia.org'],
  ['referral', 'GitHub', 'github.com com.github.android'],
  ['referral', 'Slack', 'slack.com com.slack'],
  ['referral', 'Microsoft Teams', 'teams.microsoft.com com.microsoft.teams'],
  ['referral', 'ChatGPT', 'chatgpt.com chat.openai.com com.openai.chatgpt'],
  ['referral', 'Perplexity', 'perplexity.ai ai.perplexity.app.android'],
  ['referral', 'Gemini', 'gemini.google.com'],
  ['referral', 'Copilot', 'copilot.microsoft.com'],
];

const byHost = new Map<string, Site>();
const byName = new Map<string, Site>();
for (const [kind, name, words] of TABLE) {
  const site = { name, kind };
  byName.set(name.toLowerCase(), site);
  const [hosts = '', names] = words.split(' (');
  for (const host of hosts.split(' ')) byHost.set(host, site);
  for (const other of names?.slice(0, -1).split(' ') ?? []) byName.set(other, site);
}

/** The endings that `.*` stands for: `.com`, `.de`, `.co.uk`, `.com.br`. */
const COUNTRY = /\.(?:com|(?:com?\.)?[a-z]{2})$/;

/** A site of the table, by its host in lower case without `www.`. */
export function siteOf(host: string): Site | undefined {
  const exact = byHost.get(host);
  if (exact !== undefined) return exact;
  const anyCountry = byHost.get(host.replace(COUNTRY, '.*'));
  if (anyCountry !== undefined) return anyCountry;
  for (let dot = host.indexOf('.'); dot > 0; dot = host.indexOf('.', dot + 1)) {
    const site = byHost.get(host.slice(dot + 1));
    if (site !== undefined) return site;
  }
  return undefined;
}

/** A site of the table, by what a campaign's link calls it: a name or a host, in lower case. */
export function siteNamed(source: string): Site | undefined {
  return byName.get(source) ?? (source.includes('.') ? siteOf(source.replace(/^www\./, '')) : undefined);
}

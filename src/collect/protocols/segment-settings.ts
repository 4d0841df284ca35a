import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import type { AnsweredRequest, CollectRequest, RejectedRequest } from '../protocol.ts';

/**
 * What @segment/analytics-next asks for before it sends anything: `GET /v1/projects/{key}/settings`. The form is that
 * of its `CDNSettings`; what a page gives to its `load` goes before it.
 */
export function segmentSettings({ path, headers }: CollectRequest): AnsweredRequest | RejectedRequest {
  const [, , , sent = ''] = path.split('/');
  let key: string;
  try {
    key = decodeURIComponent(sent);
  } catch (cause) {
    const error = new ClickstreamError('write_key_wrong', 'the key in the path is not well percent-encoded', { cause });
    return { kind: 'rejected', error };
  }
  const settings = {
    integrations: { 'Segment.io': { apiKey: key, ...hostOf(headers), ...DELIVERY } },
    // The tracker's reports of how it fares itself; without this they would go to Segment.
    metrics: { sampleRate: 0 },
    plan: {},
    analyticsNextEnabled: true,
  };
  return {
    kind: 'answered',
    writeKey: key,
    answer: {
      status: 200,
      contentType: 'application/json',
      body: JSON.stringify(settings),
      // A page that finds them in its cache starts at once, and also while the server is away. Each origin has its own.
      headers: { 'Cache-Control': `private, max-age=${LIMITS.trackerSettingsSeconds}`, Vary: 'Origin' },
    },
  };
}

const DELIVERY = {
  // Sending goes on when the page is left; without it a browser cuts what is under way.
  deliveryStrategy: { config: { keepalive: true } },
  httpConfig: { backoffConfig: { maxRetryCount: LIMITS.trackerRetriesMax } },
};

/**
 * Where the tracker sends its events: to the host that it asked, or it would send them to Segment. The scheme is what the proxy
 * before the server says, if there is one; whoever lies about it misleads nobody but itself.
 */
function hostOf(headers: CollectRequest['headers']): { readonly apiHost?: string; readonly protocol?: string } {
  const { host = '', 'x-forwarded-proto': forwarded } = headers;
  if (!/^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i.test(host)) return {};
  return { apiHost: `${host}/v1`, protocol: /^https\b/.test(String(forwarded)) ? 'https' : 'http' };
}

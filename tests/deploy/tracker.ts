/** Sends events until they are acknowledged, keeps its own list of them, and reads back what became of each. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface SentEvent {
  readonly type: 'track';
  readonly messageId: string;
  readonly anonymousId: string;
  readonly event: string;
  readonly timestamp: string;
  readonly properties: { readonly [name: string]: string | number };
}

export interface StoredEvent {
  readonly eventId: string;
  readonly eventType: string;
  readonly anonymousId?: string;
  readonly properties: { readonly [name: string]: unknown };
  readonly position: { readonly lane: string; readonly sequence: string; readonly index: number };
}

export interface Audit {
  readonly balanced: boolean;
  readonly accepted: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly bad: number;
  readonly dead: number;
  readonly pending: number;
  readonly waiting: readonly string[];
  readonly lost: number;
  readonly unresolved: number;
  readonly hours: readonly { readonly hour: string }[];
  readonly problems: readonly { readonly kind: string; readonly detail: string }[];
}

export interface Access {
  readonly url: string;
  readonly writeKey: string;
  readonly readToken: string;
}

const ACKNOWLEDGED_WITHIN_MS = 60_000;
let made = 0;

/** Events of as many visitors as there are of them, unless one visitor is named. */
export function events(count: number, of: { readonly scene: string; readonly visitor?: string }): SentEvent[] {
  return Array.from({ length: count }, (_, index) => {
    made += 1;
    return {
      type: 'track',
      messageId: `${of.scene}-${made}`,
      anonymousId: of.visitor ?? `${of.scene}-visitor-${index}`,
      event: of.scene,
      timestamp: new Date().toISOString(),
      properties: { number: made },
    };
  });
}

export class Tracker {
  readonly acknowledged = new Map<string, SentEvent>();
  readonly #access: Access;

  constructor(access: Access) {
    this.#access = access;
  }

  /** One request; what it answered. Counts nothing. */
  async post(batch: readonly object[], headers: Record<string, string> = this.#credentials()): Promise<Response> {
    return fetch(`${this.#access.url}/v1/batch`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify({ batch, sentAt: new Date().toISOString() }),
    });
  }

  /** Sends again until acknowledged, as a tracker does. Returns every status it was answered. */
  async send(batch: readonly SentEvent[]): Promise<number[]> {
    const statuses: number[] = [];
    for (const end = Date.now() + ACKNOWLEDGED_WITHIN_MS; Date.now() < end; await sleep(500)) {
      const { status } = await this.post(batch);
      statuses.push(status);
      if (status === 429 || status >= 500) continue;
      if (status !== 200) break;
      for (const event of batch) this.acknowledged.set(event.messageId, event);
      return statuses;
    }
    throw new Error(`not acknowledged: ${statuses}`);
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.#access.url}${path}`, {
      headers: { Authorization: `Bearer ${this.#access.readToken}` },
    });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`GET ${path} answered ${response.status}: ${text}`);
    return JSON.parse(text) as T;
  }

  async postApi<T>(path: string, body: object = {}): Promise<T> {
    const response = await fetch(`${this.#access.url}${path}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${this.#access.readToken}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${text}`);
    return JSON.parse(text) as T;
  }

  async stored(type: string): Promise<StoredEvent[]> {
    const found: StoredEvent[] = [];
    let cursor: string | null | undefined;
    do {
      const page: { readonly events: StoredEvent[]; readonly cursor?: string | null } = await this.get(
        `/api/v1/events?type=${encodeURIComponent(type)}&from=2000-01-01T00:00:00Z&order=asc&limit=500` +
          `${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
      );
      found.push(...page.events);
      cursor = page.cursor;
    } while (cursor);
    return found;
  }

  /** Throws unless each acknowledged event of the scene is stored once, unchanged, and no other. Returns how many. */
  async everyOnce(scene: string): Promise<number> {
    const sent = [...this.acknowledged.values()].filter(({ event }) => event === scene);
    const stored = await this.stored(scene);
    const byId = new Map(stored.map((event) => [event.eventId, event]));
    const missing = sent.filter(({ messageId }) => !byId.has(messageId));
    const changed = sent.filter(
      ({ messageId, properties }) => byId.get(messageId)?.properties.number !== properties.number,
    );
    if (missing.length > 0 || changed.length > 0 || stored.length !== sent.length) {
      const ids = missing.slice(0, 5).map(({ messageId }) => messageId);
      throw new Error(
        `${scene}: sent ${sent.length}, stored ${stored.length}, missing ${missing.length} (${ids}), changed ${changed.length}`,
      );
    }
    return stored.length;
  }

  #credentials(): Record<string, string> {
    return { Authorization: `Basic ${Buffer.from(`${this.#access.writeKey}:`).toString('base64')}` };
  }
}

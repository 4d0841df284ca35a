import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Sent } from '../count-problems.ts';
import type { FromTracker } from './tracker-child.ts';

/** An event of a tracker, as it was sent. */
export interface TrackedEvent extends Sent {
  acknowledged: boolean;
}

interface TrackedBody {
  readonly batch: readonly {
    readonly messageId: string;
    readonly type: string;
    readonly event?: string;
    readonly anonymousId: string;
    readonly userId?: string;
    readonly timestamp: string;
    readonly properties: { readonly [name: string]: unknown };
  }[];
}

/** An unmodified tracker that goes on over all the lives of a server, in a process of its own. */
export class RealTracker {
  readonly events = new Map<string, TrackedEvent>();
  readonly #child: ChildProcess;
  /** Requests that went out again. */
  retried = 0;

  constructor(url: string, seed: number) {
    this.#child = fork('tests/end-to-end/tracker-child.ts', [url, String(seed)]);
    this.#child.on('message', (message) => this.#hear(message as FromTracker));
  }

  /** It makes no more events; resolves once all that it has is answered. A server must be up. */
  async end(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.send('end');
    const [code] = await exited;
    if (code !== 0) throw new Error(`the tracker ended with ${code}`);
  }

  #hear({ kind, body }: FromTracker): void {
    const { batch } = JSON.parse(body) as TrackedBody;
    if (kind === 'sent' && batch.some(({ messageId }) => this.events.has(messageId))) this.retried += 1;
    for (const { messageId, type, event: named, anonymousId, userId, timestamp, properties } of batch) {
      const event = this.events.get(messageId);
      if (event !== undefined) event.acknowledged ||= kind === 'acknowledged';
      else {
        const eventType = type === 'track' ? (named ?? '') : type;
        const acknowledged = kind === 'acknowledged';
        this.events.set(messageId, { eventType, anonymousId, userId, timestamp, properties, acknowledged });
      }
    }
  }
}

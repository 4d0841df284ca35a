import { start } from './tracker.ts';
import type { AutoFeature, Tracker } from './tracker-api.ts';

export type { AutoFeature, Consent, Properties, Tracker } from './tracker-api.ts';

export interface TrackerOptions {
  /** Where the server is, `https://events.example.com`, or a path of one's own that leads there; without a slash at its end. */
  readonly endpoint: string;
  /** The write key of a source. */
  readonly key?: string;
  /** Nothing is stored in the browser, and the server tells visitors apart for a day at a time. @default false */
  readonly cookieless?: boolean;
  /** Events are held, and nothing is stored, until `consent` is called. @default not required */
  readonly consent?: 'required';
  /** @default all but `hash` and `scroll` */
  readonly auto?: readonly AutoFeature[];
}

let started: Tracker | undefined;

/** Starts the page's tracker. There is one a page: called again, it answers with that one, whatever the options. */
export function init({ cookieless, ...options }: TrackerOptions): Tracker {
  started ??= start({ ...options, ...(cookieless && { cookieless: '' }) });
  return started;
}

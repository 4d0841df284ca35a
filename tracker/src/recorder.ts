/**
 * Makes events of calls, as far as the person agrees: before that nothing is sent, and storage is neither written nor read.
 * Where nothing can be stored it is as in cookieless mode, so that a visitor stays one over pages.
 */
import { deliver, dropped, forgetQueue, wake } from './delivery.ts';
import { CONSENT_EVENTS_MAX } from './limits.ts';
import { settings } from './settings.ts';
import { allowStorage, load, names, randomId, save } from './storage.ts';
import type { Consent } from './tracker-api.ts';

/** What a call says; the rest of its event is made here. */
export interface Call {
  readonly type: 'page' | 'track' | 'identify';
  readonly event?: string;
  userId?: string | undefined;
  readonly properties?: object | undefined;
  readonly traits?: object | undefined;
}

/** What is sent; who it is of is asked of storage only when that may be. */
interface Recorded extends Call {
  readonly context: {
    /** Where it happened: what the server reads page, referrer and campaign from. */
    readonly page: { readonly url: string; readonly referrer: string };
    readonly locale: string;
    cookieless?: boolean;
  };
  anonymousId?: string;
}

const VISITOR = 'clickstream.id';
const USER = 'clickstream.user';

let isOptedOut: boolean;
let consent: Consent;
/** What is to be sent once that may be; where nothing is in an event's place, the visitor is forgotten. */
const waiting: (Recorded | undefined)[] = [];
/** Of this page alone, where nothing is stored. */
let user: string | undefined;

export function startRecorder(): void {
  // https://w3c.github.io/gpc/ and https://www.w3.org/TR/tracking-dnt/; Safari has the latter on the window.
  const signals = navigator as { globalPrivacyControl?: boolean; doNotTrack?: string };
  isOptedOut = signals.globalPrivacyControl || (signals.doNotTrack || (window as typeof signals).doNotTrack) === '1';
  setConsent(settings.consent ? 'pending' : 'granted');
}

export function record(call: Call, url: string, referrer: string): void {
  const context = { page: { url, referrer }, locale: navigator.language, dropped: dropped || undefined };
  waiting.push(Object.assign({ messageId: randomId(), timestamp: new Date(), context }, call));
  goOn();
}

/** What comes now is of another visitor. */
export function forgetVisitor(): void {
  waiting.push(undefined);
  goOn();
}

/** Where the browser's signals say no, that is what is decided. */
export function setConsent(decided: Consent): void {
  consent = isOptedOut ? 'denied' : decided;
  if (consent === 'denied') {
    allowStorage(true);
    user = undefined;
    forgetQueue();
    for (const name of names('clickstream.')) save(name);
  }
  allowStorage(consent === 'granted' && !('cookieless' in settings));
  goOn();
  // Also when nothing waits here: another page may have left something.
  wake();
}

function goOn(): void {
  // A page that is made ready before anybody asked for it may never be seen.
  const isHeld = consent === 'pending' || (document as { prerendering?: boolean }).prerendering;
  if (isHeld) waiting.splice(0, waiting.length - CONSENT_EVENTS_MAX);
  else for (const event of waiting.splice(0)) if (consent === 'granted') release(event);
}

function release(event: Recorded | undefined): void {
  if (!event) {
    user = undefined;
    save(USER);
    save(VISITOR);
    return;
  }
  if (!load(VISITOR)) save(VISITOR, randomId());
  const anonymousId = load(VISITOR);
  if (event.userId) {
    user = event.userId;
    save(USER, user);
  }
  event.userId = (anonymousId ? load(USER) : user) || undefined;
  if (anonymousId) event.anonymousId = anonymousId;
  else event.context.cookieless = true;
  try {
    deliver(JSON.stringify(event));
  } catch (error) {
    // What cannot be written as JSON is the caller's mistake, and must not end what the caller does.
    console.warn('clickstream:', error);
  }
}

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
  userId?: string;
  readonly properties?: object | undefined;
  readonly traits?: object | undefined;
}

/** Where it happened: what the server reads page, referrer and campaign from. */
export interface Place {
  readonly url: string;
  readonly referrer: string;
}

/** What is sent; who it is of is asked of storage only when that may be. */
interface Recorded extends Call {
  readonly context: { readonly page: Place; readonly locale: string; cookieless?: boolean };
  anonymousId?: string;
}

const VISITOR = 'clickstream.id';
const USER = 'clickstream.user';

let isOptedOut: boolean;
let consent: Consent;
let waiting: Recorded[] = [];
/** Of this page alone, where nothing is stored. */
let user: string | undefined;

export function startRecorder(): void {
  // https://w3c.github.io/gpc/ and https://www.w3.org/TR/tracking-dnt/; Safari has the latter on the window.
  const signals = navigator as { globalPrivacyControl?: boolean; doNotTrack?: string };
  isOptedOut = signals.globalPrivacyControl || (signals.doNotTrack || (window as typeof signals).doNotTrack) === '1';
  decide(isOptedOut ? 'denied' : settings.consent ? 'pending' : 'granted');
}

export function record(call: Call, page: Place): void {
  const context = { page, locale: navigator.language, dropped: dropped || undefined };
  waiting.push(Object.assign({ messageId: randomId(), timestamp: new Date(), context }, call));
  goOn();
}

export function setConsent(decided: Consent): void {
  if (!isOptedOut) decide(decided);
}

/** What comes now is of another visitor. */
export function forgetVisitor(): void {
  user = undefined;
  save(USER);
  save(VISITOR);
}

function decide(decided: Consent): void {
  consent = decided;
  allowStorage(!('cookieless' in settings) && decided !== 'pending');
  if (decided === 'denied') {
    user = undefined;
    forgetQueue();
    for (const name of names('clickstream.')) save(name);
    allowStorage(false);
  }
  goOn();
  // Also when nothing waits here: another page may have left something.
  wake();
}

function goOn(): void {
  if (consent === 'pending') waiting = waiting.slice(-CONSENT_EVENTS_MAX);
  else for (const event of waiting.splice(0)) if (consent === 'granted') release(event);
}

function release(event: Recorded): void {
  if (!load(VISITOR)) save(VISITOR, randomId());
  const anonymousId = load(VISITOR);
  if (event.userId) {
    user = event.userId;
    save(USER, user);
  }
  const known = anonymousId ? load(USER) : user;
  if (known) event.userId = known;
  if (anonymousId) event.anonymousId = anonymousId;
  else event.context.cookieless = true;
  try {
    deliver(JSON.stringify(event));
  } catch (error) {
    // What cannot be written as JSON is the caller's mistake, and must not end what the caller does.
    console.warn('clickstream:', error);
  }
}

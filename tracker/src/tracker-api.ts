/** What can be sent as JSON; the server sets aside an event that is larger than 64,000 bytes or nested more than 32 levels deep. */
export type Properties = { readonly [name: string]: unknown };

/** Whether the person agrees: until they have said so, events wait in the page's memory alone. */
export type Consent = 'pending' | 'granted' | 'denied';

/** What the tracker does by itself; docs/tracker.md says which events each makes. */
export type AutoFeature = 'page' | 'hash' | 'links' | 'downloads' | 'forms' | 'scroll' | 'time' | 'vitals';

/** What the script element's `data-` attributes say, by their names. */
export interface Settings {
  readonly endpoint: string;
  readonly key?: string | undefined;
  /** What is there is wanted, as an attribute of HTML. */
  readonly cookieless?: string | undefined;
  readonly consent?: string | undefined;
  /** Names of features; as text they have anything between them. */
  readonly auto?: string | readonly AutoFeature[] | undefined;
}

/** No call throws or waits. What a call is given must not change while consent is pending. Under Global Privacy Control or Do Not Track none does anything. */
export interface Tracker {
  /** A view of the page that is shown now. With `auto` it is called at each navigation. */
  page(properties?: Properties): void;
  /** An event of one's own, named in plain words: `track('Signed Up', { plan: 'free' })`. */
  track(name: string, properties?: Properties): void;
  /** Says who is using the browser; all later events have the user's id. */
  identify(userId: string, traits?: Properties): void;
  /** `granted` sends what waited; `denied` drops it, and removes all that was stored. It is not remembered: call it on each page. */
  consent(consent: Consent): void;
  /** Forgets user and visitor, for instance at a log-out. */
  reset(): void;
  /** Sends now what would be sent within a second. */
  flush(): void;
}

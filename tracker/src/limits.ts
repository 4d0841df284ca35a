// Each has its unit in its name. Characters are those of events as JSON.

/** After a first event others are waited for so long, so that they share a request. */
export const BATCH_MS = 1_000;

/** The shortest wait before a try and the longest; it doubles in between. */
export const BACKOFF_MS_MIN = 1_000;
export const BACKOFF_MS_MAX = 300_000;

/** What a browser keeps for a server that is away, some 250 events. Storage holds 5 MB of an origin, and the site needs it too. */
export const BROWSER_QUEUE_CHARS_MAX = 100_000;
/** The server would only set it aside, and in a queue it would take the place of all others. */
export const BROWSER_EVENT_CHARS_MAX = 64_000;
/** Events that wait in memory for the person's consent. */
export const CONSENT_EVENTS_MAX = 200;
/**
 * A browser ends what has more than 64 KiB under way when its page is left (Fetch, "keepalive"), and a character can take
 * three bytes.
 */
export const BROWSER_BATCH_CHARS_MAX = 20_000;
/** Such a batch with all that a request's body has besides. */
export const KEEPALIVE_CHARS_MAX = 21_000;
/**
 * A page's stored queue is taken over when its page has not written for so long after it meant to send. Timers of a page in
 * the background may wait a minute (Chromium, "intensive throttling").
 */
export const LEASE_MS = 90_000;

/** Some 20,000 events. */
export const NODE_QUEUE_CHARS_MAX = 5_000_000;
/** Fewer than the 2,000 events, and less than the 1 MB, that the server takes: an event has at least 100 characters. */
export const NODE_BATCH_CHARS_MAX = 200_000;
/** The server takes no larger request, and with such an event it would refuse all of its batch. */
export const NODE_EVENT_CHARS_MAX = 1_000_000;
/** The server cuts a request off after as long. */
export const REQUEST_MS_MAX = 30_000;
/** How long `close` of the Node tracker tries, unless it is told otherwise. */
export const CLOSE_MS_MAX = 10_000;

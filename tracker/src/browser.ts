/** What t.js is: its script element says how it is set up, and it answers to the name `clickstream`. */
import { start } from './tracker.ts';
import type { Tracker } from './tracker-api.ts';

/** What the snippet puts there until the script has come: calls that wait. */
interface Stub {
  readonly q?: readonly (readonly [keyof Tracker, ...unknown[]])[];
}

const page = window as unknown as { clickstream?: Stub | Tracker };
const stub = (page.clickstream || { q: [] }) as Stub;
// A script that is there twice must not count twice.
if (stub.q) {
  const script = document.currentScript as HTMLScriptElement;
  const tracker = start(Object.assign({ endpoint: new URL(script.src).origin }, script.dataset));
  page.clickstream = tracker;
  for (const [name, ...words] of stub.q) (tracker[name] as (...words: readonly unknown[]) => void)(...words);
}

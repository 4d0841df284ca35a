import type { BadReasons, Live } from './answers.ts';
import type { Polled } from './poll.ts';
import type { Address } from './router.ts';

/** What each page is given. */
export interface PageProps {
  readonly address: Address;
  /** Asked once a second, whatever page is open. */
  readonly live: Polled<Live>;
  /** Of what was set aside, of all sources; often only while the page of it is open. */
  readonly reasons: Polled<BadReasons>;
}

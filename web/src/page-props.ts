import type { Live } from './answers.ts';
import type { Polled } from './poll.ts';
import type { Address } from './router.ts';

/** What each page is given. */
export interface PageProps {
  readonly address: Address;
  /** Asked once a second, whatever page is open. */
  readonly live: Polled<Live>;
}

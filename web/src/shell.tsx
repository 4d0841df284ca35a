import type { ComponentType } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Live } from './answers.ts';
import { giveToken, hasToken, onTokenNeeded } from './api.ts';
import { clock } from './format.ts';
import { BadPage } from './pages/bad.tsx';
import { EventsPage } from './pages/events.tsx';
import { HealthPage } from './pages/health.tsx';
import { NowPage } from './pages/now.tsx';
import { OverviewPage } from './pages/overview.tsx';
import { PeoplePage } from './pages/people.tsx';
import { type Polled, usePoll } from './poll.ts';
import { type Address, hrefOf, useAddress } from './router.ts';

export interface PageProps {
  readonly address: Address;
  /** Asked once a second, whatever page is open. */
  readonly live: Polled<Live>;
}

const PAGES: readonly { readonly page: string; readonly title: string; readonly Page: ComponentType<PageProps> }[] = [
  { page: 'now', title: 'Now', Page: NowPage },
  { page: 'overview', title: 'Overview', Page: OverviewPage },
  { page: 'people', title: 'People', Page: PeoplePage },
  { page: 'events', title: 'Events', Page: EventsPage },
  { page: 'bad', title: 'Bad events', Page: BadPage },
  { page: 'health', title: 'Health', Page: HealthPage },
];

const LIVE_MS = 1_000;

export function Shell() {
  const address = useAddress();
  const live = usePoll<Live>('/api/v1/live', { everyMs: LIVE_MS });
  const isTokenNeeded = useTokenNeeded();
  const shown = PAGES.find(({ page }) => page === address.page);
  const title = shown?.title ?? 'Nothing here';
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  // Who follows a link by keyboard or hears the page goes on at what is new.
  // biome-ignore lint/correctness/useExhaustiveDependencies: focus moves when the page changes, and not with its other parameters
  useEffect(() => {
    document.title = `${title} · clickstream`;
    if (!isFirst.current) main.current?.focus();
    isFirst.current = false;
  }, [address.page]);
  return (
    <>
      <a class="skip" href="#main" onClick={skipTo(main)}>
        To the content
      </a>
      <header class="top">
        <a class="name" href={hrefOf({ page: 'now' })}>
          <Mark />
          clickstream
        </a>
        <nav aria-label="Pages">
          {PAGES.map(({ page, title: name }) => (
            <a key={page} href={hrefOf({ page })} aria-current={page === address.page ? 'page' : undefined}>
              {name}
              {page === 'bad' && <Waiting live={live.answer} />}
            </a>
          ))}
        </nav>
        <Connection live={live} isTokenNeeded={isTokenNeeded} />
      </header>
      <main ref={main} tabIndex={-1} aria-labelledby="title">
        <h1 id="title" class="hidden">
          {title}
        </h1>
        {isTokenNeeded ? <AskToken /> : shown === undefined ? <NotHere /> : <shown.Page address={address} live={live} />}
      </main>
    </>
  );
}

function skipTo(main: { readonly current: HTMLElement | null }) {
  return (event: Event) => {
    event.preventDefault();
    main.current?.focus();
  };
}

function useTokenNeeded(): boolean {
  const [isNeeded, setNeeded] = useState(false);
  useEffect(() => onTokenNeeded(setNeeded), []);
  return isNeeded;
}

function Connection({ live, isTokenNeeded }: { readonly live: Polled<Live>; readonly isTokenNeeded: boolean }) {
  const { answer, at, trouble } = live;
  const state = isTokenNeeded || (answer === undefined && trouble === undefined) ? 'waiting' : trouble === undefined ? 'live' : 'away';
  const since = at === undefined ? '' : ` What is shown is of ${clock(at)}.`;
  const words = { waiting: isTokenNeeded ? 'A read token is needed' : 'Connecting', live: 'Live', away: `${trouble}${since}` };
  return (
    <p class="connection" role="status" data-state={state}>
      {words[state]}
    </p>
  );
}

/** How many there are, beside the name of their page. */
function Waiting({ live }: { readonly live: Live | undefined }) {
  const some = live === undefined ? 0 : live.totals.bad;
  return some === 0 ? null : <span class="badge">{some > 999 ? '999+' : some}</span>;
}

function AskToken() {
  const wasGiven = useRef(hasToken());
  const give = (event: SubmitEvent) => {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem('token') as HTMLInputElement;
    giveToken(field.value.trim());
  };
  return (
    <form class="card ask" onSubmit={give}>
      <label for="token">Read token</label>
      <input id="token" name="token" type="password" autoComplete="off" spellcheck={false} required ref={focusOn} />
      <button type="submit">Open</button>
      {wasGiven.current && <p role="alert">That token is not one of those configured.</p>}
      <p class="soft">It is kept until this tab is closed. `clickstream config init` makes one; its digest is in the configuration.</p>
    </form>
  );
}

function focusOn(field: HTMLElement | null): void {
  field?.focus();
}

function NotHere() {
  return (
    <section class="card">
      <h2>Nothing is at this address</h2>
      <p>
        <a href={hrefOf({ page: 'now' })}>What happens now</a> is.
      </p>
    </section>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" aria-hidden="true">
      <path d="M3 7c3-4 6 4 9 0s6 4 9 0M3 17c3-4 6 4 9 0s6 4 9 0M3 12h18" />
    </svg>
  );
}

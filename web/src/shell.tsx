import type { ComponentType } from 'preact';
import { useEffect, useErrorBoundary, useRef, useState } from 'preact/hooks';
import type { BadReasons, Live } from './answers.ts';
import { giveToken, onTokenNeed, type TokenNeed, wordsOf } from './api.ts';
import { clock } from './format.ts';
import type { PageProps } from './page-props.ts';
import { BadPage } from './pages/bad.tsx';
import { EventsPage } from './pages/events.tsx';
import { HealthPage } from './pages/health.tsx';
import { NowPage } from './pages/now.tsx';
import { OverviewPage } from './pages/overview.tsx';
import { PeoplePage } from './pages/people.tsx';
import { type Polled, usePoll } from './poll.ts';
import { hrefOf, useAddress } from './router.ts';

const PAGES: readonly { readonly page: string; readonly title: string; readonly Page: ComponentType<PageProps> }[] = [
  { page: 'now', title: 'Now', Page: NowPage },
  { page: 'overview', title: 'Overview', Page: OverviewPage },
  { page: 'people', title: 'People', Page: PeoplePage },
  { page: 'events', title: 'Events', Page: EventsPage },
  { page: 'bad', title: 'Bad events', Page: BadPage },
  { page: 'health', title: 'Health', Page: HealthPage },
];

/** Whoever looks wants it to live, also where it is slow, as on AWS. */
const LIVE = { everyMs: 1_000, share: 0.5 };
/** After it the server is away: who looks at live figures is told soon. */
const LIVE_PATIENCE_MS = 10_000;
/** Each reads up to 10,000 of the newest: seldom, but where they are looked at. */
const REASONS_MS = 10_000;
const WAITING_MS = 300_000;

export function Shell() {
  const address = useAddress();
  const live = usePoll<Live>('/api/v1/live', { ...LIVE, patienceMs: LIVE_PATIENCE_MS });
  const isBadShown = address.page === 'bad';
  const isAnyBad = isBadShown || (live.answer !== undefined && live.answer.totals.bad > 0);
  const reasons = usePoll<BadReasons>(isAnyBad ? '/api/v1/bad/reasons' : undefined, {
    everyMs: isBadShown ? REASONS_MS : WAITING_MS,
  });
  const tokenNeed = useTokenNeed();
  const shown = PAGES.find(({ page }) => page === address.page);
  const title = shown?.title ?? 'Nothing here';
  const main = useRef<HTMLElement>(null);
  const before = useRef<string>(undefined);
  // Who follows a link by keyboard or hears the page goes on at what is new; also within a page, where the link itself is gone.
  useEffect(() => {
    document.title = `${title} · clickstream`;
    const isElsewhere = before.current !== address.page || document.activeElement === document.body;
    if (before.current !== undefined && isElsewhere) main.current?.focus();
    before.current = address.page;
  }, [address]);
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        To the content
      </button>
      <header class="top">
        <a class="name" href={hrefOf({ page: 'now' })}>
          <Mark />
          clickstream
        </a>
        <nav aria-label="Pages">
          {PAGES.map(({ page, title: name }) => (
            <a key={page} href={hrefOf({ page })} aria-current={page === address.page ? 'page' : undefined}>
              {name}
              {page === 'bad' && <Waiting reasons={reasons.answer} />}
            </a>
          ))}
        </nav>
        <Connection live={live} isTokenNeeded={tokenNeed !== 'none'} />
      </header>
      <main ref={main} tabIndex={-1} aria-labelledby="title">
        <h1 id="title" class="hidden">
          {title}
        </h1>
        {tokenNeed !== 'none' ? (
          <AskToken isWrong={tokenNeed === 'wrong'} />
        ) : shown === undefined ? (
          <NotHere />
        ) : (
          <Guarded key={shown.page} {...{ Page: shown.Page, address, live, reasons }} />
        )}
      </main>
    </>
  );
}

function useTokenNeed(): TokenNeed {
  const [need, setNeed] = useState<TokenNeed>('none');
  useEffect(() => onTokenNeed(setNeed), []);
  return need;
}

/** A fault of one page leaves the others. */
function Guarded({ Page, ...props }: PageProps & { readonly Page: ComponentType<PageProps> }) {
  const [fault, again] = useErrorBoundary();
  useEffect(() => again(), [props.address]);
  if (fault === undefined) return <Page {...props} />;
  return (
    <section class="card">
      <h2>This page failed</h2>
      <p class="trouble">{wordsOf(fault)}</p>
      <button type="button" onClick={again}>
        Show it again
      </button>
    </section>
  );
}

function Connection({ live, isTokenNeeded }: { readonly live: Polled<Live>; readonly isTokenNeeded: boolean }) {
  const { answer, at, trouble } = live;
  const state =
    isTokenNeeded || (answer === undefined && trouble === undefined)
      ? 'waiting'
      : trouble === undefined
        ? 'live'
        : 'away';
  const since = at === undefined ? '' : ` What is shown is of ${clock(at)}.`;
  const words = {
    waiting: isTokenNeeded ? 'A read token is needed' : 'Connecting',
    live: 'Live',
    away: `${trouble}${since}`,
  };
  return (
    <p class="connection" role="status" data-state={state}>
      {words[state]}
    </p>
  );
}

/** How many of the newest bad events are not put back yet, beside the name of their page. */
function Waiting({ reasons }: { readonly reasons: BadReasons | undefined }) {
  const waiting = (reasons?.reasons ?? []).reduce((sum, reason) => sum + reason.waiting, 0);
  if (waiting === 0) return null;
  return (
    <span class="badge">
      <span class="hidden">, </span>
      {waiting > 999 ? '999+' : waiting}
      <span class="hidden"> wait</span>
    </span>
  );
}

function AskToken({ isWrong }: { readonly isWrong: boolean }) {
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
      {isWrong && <p role="alert">That token is not one of those configured.</p>}
      <p class="soft">
        It is kept until this tab is closed. <code>clickstream config init</code> makes one; its digest is in the
        configuration.
      </p>
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
    <svg
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="2.4"
      stroke-linecap="round"
      aria-hidden="true"
    >
      <path d="M3 7c3-4 6 4 9 0s6 4 9 0M3 17c3-4 6 4 9 0s6 4 9 0M3 12h18" />
    </svg>
  );
}

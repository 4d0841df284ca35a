import { useEffect, useRef, useState } from 'preact/hooks';
import type { Audit, Live, System } from '../answers.ts';
import { Chart } from '../chart.tsx';
import { keyOf } from '../event.ts';
import { count, milliseconds, minuteClock, rate, short, visible, whole } from '../format.ts';
import type { PageProps } from '../page-props.ts';
import { Card, Figure } from '../parts/card.tsx';
import { EventRow } from '../parts/event-view.tsx';
import { FirstEvent } from '../parts/first-event.tsx';
import { type Polled, usePoll } from '../poll.ts';
import { type Address, go, hrefOf } from '../router.ts';
import { fits, flowed, perMinute, rateOf, type Sample, type Stream, type StreamRow, sampled } from './stream.ts';

const SYSTEM_MS = 5_000;
const AUDIT_MS = 10_000;
const FRESH_MS = 2_000;

export function NowPage({ address, live }: PageProps) {
  const { answer } = live;
  if (answer === undefined) return <p class="card soft">{live.trouble ?? 'Reading what happens now…'}</p>;
  const { stored, bad } = answer.totals;
  if (stored === 0) {
    return (
      <>
        {bad > 0 && (
          <p class="card">
            {count(bad, 'event')} came and {bad === 1 ? 'was' : 'were'} set aside:{' '}
            <a href={hrefOf({ page: 'bad' })}>see why</a>.
          </p>
        )}
        <FirstEvent />
      </>
    );
  }
  return (
    <>
      <Figures live={answer} isStale={live.isStale} />
      <Minutes live={live} minutes={answer.minutes} />
      <LiveStream address={address} live={live} answer={answer} />
    </>
  );
}

function Figures({ live, isStale }: { readonly live: Live; readonly isStale: boolean }) {
  const samples = useRef<readonly Sample[]>([]);
  samples.current = sampled(samples.current, live);
  const second = rateOf(samples.current);
  const { totals } = live;
  return (
    <dl class="figures" data-stale={isStale ? '' : undefined}>
      <Figure
        name="Events a minute"
        value={short(perMinute(live))}
        beside={second === undefined ? '' : `${rate(second)} a second`}
        tone="lead"
      />
      <Figure name="Visitors now" value={short(live.visitorsNow)} beside="in the last 5 minutes" />
      <Figure name="Events stored" value={short(totals.stored)} beside={`of ${count(totals.visitors, 'visitor')}`} />
      <Freshness />
      <Ledger />
    </dl>
  );
}

/** How long it takes from a 2xx until what it acknowledged can be asked for. */
function Freshness() {
  const { answer, trouble } = usePoll<System>('/api/v1/system', { everyMs: SYSTEM_MS });
  // What was so before is not what happens now.
  const freshness = trouble === undefined ? (answer?.freshness ?? undefined) : undefined;
  const why = answer === undefined ? '' : answer.home === 'AWS' ? 'CloudWatch tells it' : 'nothing came just now';
  const beside = trouble ?? (freshness ? `99 of 100 within ${milliseconds(freshness.p99Ms)}` : why);
  return <Figure name="Queryable after" value={freshness && milliseconds(freshness.p50Ms)} beside={beside} />;
}

function Ledger() {
  const { answer: newest, trouble } = usePoll<Audit>('/api/v1/audit', { everyMs: AUDIT_MS });
  const answer = trouble === undefined ? newest : undefined;
  const value = answer && (answer.balanced ? 'Balanced' : 'Not balanced');
  const words =
    answer === undefined
      ? (trouble ?? 'being read')
      : answer.balanced
        ? `${short(answer.accepted)} events accounted for`
        : count(answer.problemCount, 'problem');
  const beside = <a href={hrefOf({ page: 'health' })}>{words}</a>;
  return <Figure name="Ledger" value={value} beside={beside} tone={answer?.balanced === false ? 'warm' : undefined} />;
}

function Minutes({ live, minutes }: { readonly live: Polled<Live>; readonly minutes: Live['minutes'] }) {
  const values = minutes.map(({ value }) => value);
  const sum = values.reduce((total, value) => total + value, 0);
  const most = Math.max(0, ...values);
  return (
    <Card
      title="Events by the minute"
      aside={`at most ${short(most)} in one`}
      of={{ isStale: live.isStale, trouble: undefined }}
    >
      <Chart
        times={minutes.map(({ time }) => Date.parse(time))}
        lines={[{ name: 'events', values, kind: 'bars' }]}
        label={`${count(sum, 'event')} in the last ${minutes.length} minutes, at most ${whole(most)} in one`}
        format={short}
        formatTime={minuteClock}
      />
    </Card>
  );
}

interface StreamProps {
  readonly address: Address;
  readonly live: Polled<Live>;
  readonly answer: Live;
}

function LiveStream({ address, live, answer }: StreamProps) {
  const [stream, setStream] = useState<Stream>();
  const [isPaused, setPaused] = useState(false);
  useEffect(() => {
    if (!isPaused) setStream((before) => flowed(before, answer, Date.now()));
  }, [answer, isPaused]);
  const { type = '', text = '' } = address.parameters;
  const filter = (changes: Readonly<Record<string, string>>) =>
    go({ page: address.page, parameters: { ...address.parameters, ...changes } }, { isSame: true });
  const rows = stream?.rows ?? [];
  const shown = rows.filter(({ event }) => fits(event, { type, text }));
  const types = [...new Set([...rows.map(({ event }) => event.eventType), ...(type === '' ? [] : [type])])].sort();
  const meanwhile = stream === undefined ? 0 : answer.totals.stored - stream.stored;
  return (
    <Card
      title="As they come"
      aside={isPaused ? `Paused; ${count(meanwhile, 'event')} came meanwhile` : told(stream)}
      of={{ isStale: live.isStale, trouble: undefined }}
    >
      <div class="buttons filters">
        <button type="button" class={isPaused ? '' : 'quiet'} onClick={() => setPaused(!isPaused)}>
          {isPaused ? 'Go on' : 'Pause'}
        </button>
        <label>
          <span>Type</span>
          <select value={type} onChange={({ currentTarget: { value } }) => filter({ type: value })}>
            <option value="">all</option>
            {types.map((each) => (
              <option key={each} value={each}>
                {visible(each)}
              </option>
            ))}
          </select>
        </label>
        <label class="wide">
          <span>Text</span>
          <input
            type="search"
            value={text}
            placeholder="a page, a person, anything in it"
            onInput={({ currentTarget: { value } }) => filter({ text: value })}
          />
        </label>
      </div>
      <Rows rows={shown} onOpen={() => setPaused(true)} />
      {shown.length === 0 && (
        <p class="soft">
          {rows.length === 0 ? 'None in the last while.' : `None of the newest ${whole(rows.length)} fits.`} The next
          that does is shown at once.
        </p>
      )}
    </Card>
  );
}

function told(stream: Stream | undefined): string {
  if (stream === undefined || stream.passed === 0) return '';
  return `${count(stream.passed, 'more event')} came than are listed`;
}

/** Whoever opens one reads it, and what is read does not move away. */
function Rows({ rows, onOpen }: { readonly rows: readonly StreamRow[]; readonly onOpen: () => void }) {
  const now = Date.now();
  return (
    <div class="stream">
      {rows.map(({ event, cameAt }) => (
        <EventRow
          key={keyOf(event)}
          event={event}
          isFresh={cameAt !== undefined && now - cameAt < FRESH_MS}
          onOpen={onOpen}
        />
      ))}
    </div>
  );
}

import './health.css';
import type { ComponentChildren } from 'preact';
import type { Audit, Live, System } from '../answers.ts';
import { Chart } from '../chart.tsx';
import { RATE_STEPS } from '../chart-steps.ts';
import { type ErrorWords, meaningsIn } from '../error-words.ts';
import { bytes, clock, count, duration, milliseconds, minuteClock, moment, rate, whole } from '../format.ts';
import type { PageProps } from '../page-props.ts';
import { Card, Figure } from '../parts/card.tsx';
import { LedgerView } from '../parts/ledger-view.tsx';
import { Scrolled } from '../parts/scrolled.tsx';
import { type Polled, usePoll } from '../poll.ts';

const SYSTEM_MS = 2_000;
const AUDIT_MS = 10_000;
/** What is stored later than this is late for a page that shows what happens now. */
const SLOW_MS = 1_000;
/** Where to look on AWS, whose functions do not know it. */
const ELSEWHERE = 'not known here; CloudWatch has it';

export function HealthPage({ live }: PageProps) {
  const system = usePoll<System>('/api/v1/system', { everyMs: SYSTEM_MS });
  const audit = usePoll<Audit>('/api/v1/audit', { everyMs: AUDIT_MS });
  return (
    <>
      <Standing system={system} audit={audit} live={live.answer} />
      <div class="columns">
        <Card title="Ledger" of={audit} aside={audit.at !== undefined && `as of ${clock(audit.at)}`}>
          {audit.answer === undefined ? (
            audit.trouble === undefined && <p class="soft">Reading…</p>
          ) : (
            <LedgerView audit={audit.answer} />
          )}
        </Card>
        <div class="stacked">
          <Card title="Events a second" of={live} aside="by the minute, without bots">
            <Throughput live={live} />
          </Card>
          <Requests system={system} />
        </div>
      </div>
      <Lanes system={system} audit={audit.answer} />
    </>
  );
}

function Standing({
  system,
  audit,
  live,
}: {
  readonly system: Polled<System>;
  readonly audit: Polled<Audit>;
  readonly live: Live | undefined;
}) {
  const { answer } = system;
  if (answer === undefined)
    return (
      <Card title="Standing" of={system}>
        {system.trouble === undefined && <p class="soft">Reading…</p>}
      </Card>
    );
  const { ready, home, version, startedAt, log, store, disk } = answer;
  const up = startedAt === null ? '' : `, up ${duration(Math.max(0, Date.now() - Date.parse(startedAt)) / 1_000)}`;
  const isWritable = log?.writable !== false && store?.writable !== false;
  return (
    <Card title="Standing" of={system} aside={`clickstream ${version} on ${home}${up}`}>
      <p class="verdict" role="status" data-state={ready.ready ? 'well' : 'off'}>
        {ready.ready ? 'Ready' : `Not ready: ${ready.reasons.join('; ')}`}
      </p>
      {!isWritable && (
        <p class="trouble">What is sent meanwhile is answered 503, and kept by its senders: nothing is lost by that.</p>
      )}
      <dl class="figures">
        <Freshness system={answer} />
        <Figure
          name="Events a second"
          value={live && rate(lastRate(live))}
          beside="in the last whole minute, without bots"
        />
        <Waiting log={log} audit={audit.answer} />
        <Figure
          name="Log"
          value={log === null ? '–' : bytes(log.bytes)}
          beside={log === null ? ELSEWHERE : count(log.segments, 'segment')}
        />
        <Figure
          name="Store"
          value={store === null ? '–' : bytes(store.bytes)}
          beside={store === null ? 'not known here; DynamoDB has it' : live && count(live.totals.events, 'event')}
        />
        {disk !== null && <Figure name="Disk" value={bytes(disk.freeBytes)} beside="free" />}
      </dl>
    </Card>
  );
}

/** What a second had in the last minute that is over. */
function lastRate({ minutes }: Live): number {
  return (minutes.at(-2)?.value ?? 0) / 60;
}

function Freshness({ system: { freshness, home } }: { readonly system: System }) {
  if (freshness === null) {
    const why = home === 'AWS' ? `${ELSEWHERE}: iterator age` : 'nothing came in the last minute';
    return <Figure name="Queryable after" value="–" beside={why} />;
  }
  const { p50Ms, p99Ms, records, seconds } = freshness;
  const others = `99 of 100 within ${milliseconds(p99Ms)}, of ${count(records, 'record')} in ${duration(seconds)}`;
  return (
    <Figure
      name="Queryable after"
      value={milliseconds(p50Ms)}
      beside={others}
      tone={p99Ms > SLOW_MS ? 'warm' : 'lead'}
    />
  );
}

function Waiting({ log, audit }: { readonly log: System['log']; readonly audit: Audit | undefined }) {
  const lanes = audit?.waiting.length ?? 0;
  if (log === null) {
    return (
      <Figure name="Waits" value={audit && (lanes === 0 ? 'nothing' : count(lanes, 'lane'))} beside="to be processed" />
    );
  }
  return <Figure name="Waits" value={bytes(log.unprocessedBytes)} beside="of the log, to be processed" />;
}

function Throughput({ live: { answer, trouble } }: { readonly live: Polled<Live> }) {
  if (answer === undefined) return <p class="soft">{trouble ?? 'Reading…'}</p>;
  // The last one is not over yet.
  const minutes = answer.minutes.slice(0, -1);
  return (
    <Chart
      times={minutes.map(({ time }) => Date.parse(time))}
      lines={[{ name: 'Events a second', values: minutes.map(({ value }) => value / 60), kind: 'area' }]}
      label={`Events a second over the last ${minutes.length} minutes, at most ${rate(Math.max(0, ...minutes.map(({ value }) => value)) / 60)}`}
      steps={RATE_STEPS}
      format={rate}
      formatTime={minuteClock}
    />
  );
}

const STATUS_WORDS: Readonly<Record<string, string>> = {
  2: 'taken',
  3: 'sent elsewhere',
  4: 'refused: what was sent is wrong',
  5: 'not taken now: its sender keeps it and tries again',
};

function Requests({ system: { answer, isStale } }: { readonly system: Polled<System> }) {
  const hasRejected = Object.keys(answer?.collect?.rejected ?? {}).length > 0;
  const document = usePoll<unknown>(hasRejected ? '/openapi.json' : undefined, { everyMs: 0 });
  if (answer === undefined) return null;
  const { collect, startedAt, home } = answer;
  const of = { isStale, trouble: undefined };
  if (collect === null) {
    return (
      <Card title="Requests of trackers" of={of}>
        <p class="soft">
          Not known here
          {home === 'AWS' &&
            ': on AWS the load balancer and the functions count them, and the dashboard of the stack in CloudWatch shows them'}
          .
        </p>
      </Card>
    );
  }
  return (
    <Card title="Requests of trackers" of={of} aside={startedAt !== null && `since ${moment(startedAt)}`}>
      <p>
        {count(collect.events, 'event')} acknowledged, {whole(collect.setAside)} of them set aside at once.
      </p>
      <div class="columns">
        <Counts
          name="By status"
          first="Status"
          counts={collect.requests}
          about={(status) => <span class="soft">{STATUS_WORDS[status[0] ?? '']}</span>}
        />
        {hasRejected ? (
          <Counts
            name="By error"
            first="Code"
            counts={collect.rejected}
            about={aboutErrors(meaningsIn(document.answer))}
          />
        ) : (
          <p class="soft">No request was refused.</p>
        )}
      </div>
    </Card>
  );
}

function aboutErrors(meanings: ReadonlyMap<string, ErrorWords>) {
  return (code: string): ComponentChildren => {
    const words = meanings.get(code);
    return (
      words !== undefined && (
        <>
          {words.meaning} <span class="soft">{words.cure}</span>
        </>
      )
    );
  };
}

function Counts({
  name,
  first,
  counts,
  about,
}: {
  readonly name: string;
  readonly first: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly about: (key: string) => ComponentChildren;
}) {
  const rows = Object.entries(counts).sort(([, a], [, b]) => b - a);
  if (rows.length === 0) return <p class="soft">No request yet.</p>;
  return (
    <table aria-label={name} class="counts">
      <thead>
        <tr>
          <th scope="col">{first}</th>
          <th scope="col" class="number">
            Requests
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([key, value]) => (
          <tr key={key}>
            <th scope="row">
              {key}
              <p>{about(key)}</p>
            </th>
            <td class="number">{whole(value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Lanes({
  system: { answer, isStale },
  audit,
}: {
  readonly system: Polled<System>;
  readonly audit: Audit | undefined;
}) {
  if (answer === undefined) return null;
  const outcomes = new Map(audit?.lanes.map((lane) => [lane.lane, lane]));
  const hasArrivals = answer.lanes.some(({ arrivedAt }) => arrivedAt !== null);
  const number = (value: number | undefined) => (value === undefined ? '–' : whole(value));
  return (
    <Card
      title="Lanes"
      of={{ isStale, trouble: undefined }}
      aside="ways that events are processed on, each in its order"
    >
      {answer.lanes.length === 0 ? (
        <p class="soft">None yet: the first event makes one.</p>
      ) : (
        <Scrolled name="Lanes">
          <table class="lanes">
            <thead>
              <tr>
                <th scope="col">Lane</th>
                <th scope="col">Done up to</th>
                {hasArrivals && <th scope="col">Newest arrival</th>}
                {LANE_COLUMNS.map((name) => (
                  <th key={name} scope="col" class="number">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {answer.lanes.map(({ lane, done, arrivedAt }) => (
                <tr key={lane}>
                  <th scope="row">{lane}</th>
                  <td>{done}</td>
                  {hasArrivals && <td>{arrivedAt === null ? '–' : moment(arrivedAt)}</td>}
                  {LANE_COLUMNS.map((name) => (
                    <td key={name} class="number">
                      {number(outcomes.get(lane)?.[name])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </Scrolled>
      )}
    </Card>
  );
}

const LANE_COLUMNS = ['accepted', 'stored', 'duplicate', 'bad', 'dead', 'pending'] as const;

import { useState } from 'preact/hooks';
import { Chart, type ChartLine } from '../chart.tsx';
import { day, hour, share, short, weekday } from '../format.ts';
import type { PageProps } from '../page-props.ts';
import { Bars } from '../parts/bars.tsx';
import { Card, Trouble } from '../parts/card.tsx';
import { Filters } from '../parts/filters.tsx';
import { FirstEvent } from '../parts/first-event.tsx';
import { type Polled, usePolling } from '../poll.ts';
import type { Range, Span } from '../range.ts';
import { type Address, hrefOf } from '../router.ts';
import { amountOf, type Counts, changeOf, FIGURES, type FigureKind, figureOf } from './figures.ts';
import { type List, MEASURE_TITLES, nameOf, PANELS, type Panel } from './panels.ts';
import { type Chosen, readList, readPart, readSeries, readTotals, type Series, type Totals } from './reading.ts';

const EVERY_MS = 60_000;
const ROWS = 10;
const ROWS_MAX = 100;

export function OverviewPage({ address, live }: PageProps) {
  const { range, from, to, source, bots } = address.parameters;
  const chosen: Chosen = Object.fromEntries(
    Object.entries({ range, from, to, source, bots }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  );
  const totals = usePolling(JSON.stringify(chosen), (signal) => readTotals(chosen, signal), { everyMs: EVERY_MS });
  const figure = figureOf(address.parameters.figure);
  if (live.answer?.totals.stored === 0) return <FirstEvent />;
  return (
    <>
      <Filters address={address} />
      <Figures address={address} totals={totals} shown={figure} />
      <OverTime figure={figure} chosen={chosen} />
      <div class="columns panels">
        {PANELS.map((panel) => (
          <PanelCard
            key={panel.title}
            {...{ panel, address, chosen }}
            counts={totals.isStale ? undefined : totals.answer?.now}
          />
        ))}
      </div>
    </>
  );
}

/** The same page with something else chosen. */
function hrefWith({ page, parameters }: Address, changes: Readonly<Record<string, string | undefined>>): string {
  return hrefOf({ page, parameters: { ...parameters, ...changes } });
}

function Figures({
  address,
  totals,
  shown,
}: {
  readonly address: Address;
  readonly totals: Polled<Totals>;
  readonly shown: FigureKind;
}) {
  const { answer, trouble, isStale } = totals;
  return (
    <>
      {trouble !== undefined && (
        <p class="card trouble" role="status">
          {trouble}
        </p>
      )}
      <nav class="figures" aria-label="Figures" data-stale={isStale ? '' : undefined}>
        {FIGURES.map((figure) => {
          const value = answer && amountOf(figure, answer.now);
          return (
            <a
              key={figure.name}
              class="figure"
              href={hrefWith(address, { figure: figure.name })}
              aria-current={figure === shown ? 'true' : undefined}
            >
              <span class="figure-name">{figure.title}</span>
              <span class="figure-value">{value === undefined ? '–' : figure.format(value)}</span>
              {answer && <Compared figure={figure} totals={answer} />}
            </a>
          );
        })}
      </nav>
    </>
  );
}

function Compared({ figure, totals: { now, before } }: { readonly figure: FigureKind; readonly totals: Totals }) {
  const change = changeOf(figure, now, before);
  if (change === undefined) return <small>nothing before</small>;
  const was = amountOf(figure, before) ?? 0;
  return (
    <small>
      <span class={change.direction}>{change.words}</span> <span class="amount">from {figure.format(was)}</span>
    </small>
  );
}

function OverTime({ figure, chosen }: { readonly figure: FigureKind; readonly chosen: Chosen }) {
  const key = JSON.stringify([figure.name, chosen]);
  const series = usePolling(key, async (signal) => ({ ...(await readSeries(figure, chosen, signal)), figure }), {
    everyMs: EVERY_MS,
  });
  const { answer } = series;
  // Those of the figure before stay, under its name, until these are there.
  const { title, format, steps } = answer?.figure ?? figure;
  return (
    <Card
      title={title}
      aside={answer && `${spanText(answer.range)}, dashed: ${spanText(answer.range.before)}`}
      of={series}
    >
      {answer !== undefined && (
        <Chart
          times={answer.times}
          lines={[...linesOf(title.toLowerCase(), answer), { name: 'before', values: answer.before, kind: 'before' }]}
          label={`${title} by the ${answer.range.interval}, ${spanText(answer.range)}, at most ${format(mostOf(answer.now))}; before, at most ${format(mostOf(answer.before))}`}
          format={format}
          formatTime={timeFormat(answer.range)}
          steps={steps}
          height={240}
        />
      )}
    </Card>
  );
}

/** What is not over yet is no fall: the way to it is dotted. */
function linesOf(name: string, { now, isRunning }: Series): readonly ChartLine[] {
  if (!isRunning || now.length < 2) return [{ name, values: now, kind: 'area' }];
  const last = now.length - 1;
  return [
    { name, values: now.with(last, null), kind: 'area' },
    { name: 'so far', values: now.map((value, place) => (place < last - 1 ? null : value)), kind: 'running' },
  ];
}

function mostOf(values: readonly (number | null)[]): number {
  return Math.max(0, ...values.map((value) => value ?? 0));
}

function timeFormat({ interval }: Range): (time: number) => string {
  return interval === 'hour' ? hour : weekday;
}

function spanText({ from, to }: Span): string {
  const [first, last] = [day(from), day(to - 1)];
  return first === last ? first : `${first} – ${last}`;
}

interface PanelProps {
  readonly panel: Panel;
  readonly address: Address;
  readonly chosen: Chosen;
  /** Of the whole; undefined while they are of another time. */
  readonly counts: Counts | undefined;
}

function PanelCard({ panel, address, chosen, counts }: PanelProps) {
  const { by, key } = address.parameters;
  const ofAddress = panel.lists.find((list) => list.by === by);
  const [picked, setPicked] = useState(ofAddress ?? panel.lists[0]);
  const [isLong, setLong] = useState(false);
  const list = ofAddress ?? picked;
  const opened = ofAddress === undefined ? undefined : key;
  const limit = isLong ? ROWS_MAX : ROWS;
  const asked = usePolling(
    JSON.stringify([list.by, limit, chosen]),
    async (signal) => ({ list, rows: await readList(list, { chosen, limit }, signal) }),
    { everyMs: EVERY_MS },
  );
  // Those of the list before stay, under its name, until these are there.
  const { answer } = asked;
  return (
    <Card title={panel.title} of={asked} isWide={opened !== undefined}>
      <p class="tabs">
        {panel.lists.map((each) => (
          <a
            key={each.by}
            href={hrefWith(address, { by: each.by, key: undefined })}
            aria-current={each === list ? 'true' : undefined}
            onClick={() => setPicked(each)}
          >
            {each.title}
          </a>
        ))}
      </p>
      {opened !== undefined && <PartOverTime {...{ list, chosen, address }} of={opened} />}
      {answer !== undefined && answer.rows.length === 0 && <p class="soft">Nothing in this time.</p>}
      {answer !== undefined && answer.rows.length > 0 && (
        <Bars
          of={answer.list.of}
          measure={MEASURE_TITLES[answer.list.measure]}
          rows={answer.rows.map(({ key: value = '', value: amount }) => ({
            key: value,
            name: nameOf(answer.list, value),
            value: amount,
            href: hrefWith(address, { by: answer.list.by, key: value }),
          }))}
          whole={counts?.[answer.list.measure]}
          format={partText}
          opened={opened}
        />
      )}
      {answer !== undefined && answer.rows.length >= ROWS && (
        <p>
          <button type="button" class="quiet" onClick={() => setLong(!isLong)}>
            {isLong ? 'Show fewer' : 'Show more'}
          </button>
        </p>
      )}
    </Card>
  );
}

function partText(value: number, whole: number | undefined) {
  return (
    <>
      {short(value)}{' '}
      <small class="soft">{whole === undefined || whole === 0 ? '' : share(Math.min(1, value / whole))}</small>
    </>
  );
}

/** A row that was opened: how much of the whole it was, and when. */
function PartOverTime({
  list,
  of,
  chosen,
  address,
}: {
  readonly list: List;
  readonly of: string;
  readonly chosen: Chosen;
  readonly address: Address;
}) {
  const key = JSON.stringify([list.by, of, chosen]);
  const part = usePolling(
    key,
    async (signal) => ({ ...(await readPart(list, { chosen, key: of }, signal)), list, of }),
    { everyMs: EVERY_MS },
  );
  const { answer, trouble, isStale } = part;
  const shown = answer ?? { list, of };
  const name = nameOf(shown.list, shown.of);
  const measure = MEASURE_TITLES[shown.list.measure].toLowerCase();
  return (
    <div class="part" data-stale={isStale ? '' : undefined}>
      <div class="card-head">
        <h3>
          <bdi>{name}</bdi>
        </h3>
        <a href={hrefWith(address, { key: undefined })}>Close</a>
      </div>
      <Trouble words={trouble} />
      {answer !== undefined && (
        <Chart
          times={answer.times}
          lines={[
            { name: 'of these', values: answer.part, kind: 'area' },
            { name: `all ${measure}`, values: answer.whole, kind: 'before' },
          ]}
          label={`${name}: ${measure} by the ${answer.range.interval}, at most ${short(mostOf(answer.part))} of at most ${short(mostOf(answer.whole))}`}
          format={short}
          formatTime={timeFormat(answer.range)}
        />
      )}
    </div>
  );
}

import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { WHOLE_STEPS } from './chart-steps.ts';
import { day, minuteClock } from './format.ts';

export interface ChartLine {
  readonly name: string;
  /** One for each time; null where there is none. */
  readonly values: readonly (number | null)[];
  readonly kind: 'bars' | 'area' | 'running' | 'line' | 'before';
}

export interface ChartProps {
  /** Epoch milliseconds, ascending. */
  readonly times: readonly number[];
  readonly lines: readonly ChartLine[];
  /** What a screen reader says in place of the picture. */
  readonly label: string;
  /** How a value is written. */
  readonly format: (value: number) => string;
  /** How a time is written where the pointer is. */
  readonly formatTime: (time: number) => string;
  /** How far apart the values beside the chart may be. @default WHOLE_STEPS */
  readonly steps?: readonly number[];
  /** @default 180 pixels */
  readonly height?: number;
}

const DAY_SECONDS = 86_400;
const DAY_STEPS = [1, 2, 3, 5, 7, 10, 15, 30, 60, 90, 180, 365].map((days) => days * DAY_SECONDS);
const HOUR_STEPS = [...[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((minutes) => minutes * 60), ...DAY_STEPS];

/** Colours and shapes come from the style sheet; the same chart is kept while its numbers change. */
export function Chart({ times, lines, label, format, formatTime, steps = WHOLE_STEPS, height = 180 }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>(undefined);
  const formats = useRef({ format, formatTime });
  formats.current = { format, formatTime };
  const newest = useRef<uPlot.AlignedData>([[]]);
  newest.current = [times.map((time) => time / 1_000), ...lines.map(({ values }) => [...values])];
  const shape = lines.map(({ name, kind }) => `${kind} ${name}`).join('\n');

  // Its numbers come by the effect below.
  useEffect(() => {
    const { current } = place;
    if (current === null) return undefined;
    const draw = () => {
      chart.current?.destroy();
      const options = optionsOf({ lines, width: current.clientWidth, height, steps, formats });
      chart.current = new uPlot(options, newest.current, current);
    };
    draw();
    const sized = new ResizeObserver(() => chart.current?.setSize({ width: current.clientWidth, height }));
    sized.observe(current);
    const dark = window.matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    return () => {
      sized.disconnect();
      dark.removeEventListener('change', draw);
      chart.current?.destroy();
      chart.current = undefined;
    };
  }, [shape, steps, height]);

  useEffect(() => chart.current?.setData(newest.current));

  return <div class="chart" ref={place} role="img" aria-label={label} />;
}

interface Drawn {
  readonly lines: readonly ChartLine[];
  readonly width: number;
  readonly height: number;
  readonly steps: readonly number[];
  readonly formats: { readonly current: Pick<ChartProps, 'format' | 'formatTime'> };
}

function optionsOf({ lines, width, height, steps, formats }: Drawn): uPlot.Options {
  const colour = coloursOf(document.documentElement);
  const axis = { stroke: colour('--soft'), font: '12px ui-sans-serif, system-ui, sans-serif', ticks: { show: false } };
  const hasBars = lines.some(({ kind }) => kind === 'bars');
  return {
    width,
    height,
    padding: [8, 24, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: {
      x: hasBars ? { range: withRoomForBars } : {},
      y: { range: (_, __, most) => [0, Math.max(steps[0] ?? 1, (most ?? 0) * 1.08)] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 72,
        incrs: timeSteps,
        size: 32,
        values: (_, times, __, ___, step) =>
          times.map((time) =>
            step >= DAY_SECONDS || isMidnight(time) ? day(time * 1_000) : minuteClock(time * 1_000),
          ),
      },
      {
        ...axis,
        grid: { stroke: colour('--line'), width: 1 },
        size: 60,
        incrs: [...steps],
        values: (_, values) => values.map((value) => formats.current.format(value)),
      },
    ],
    series: [
      { value: (_, time) => (time == null ? '' : formats.current.formatTime(time * 1_000)), label: '' },
      ...lines.map((line) => seriesOf(line, { colour, formats })),
    ],
    hooks: {
      // Where nobody points, it tells the newest.
      setData: [tellNewest],
      setCursor: [(chart) => chart.cursor.idx == null && tellNewest(chart)],
    },
  };
}

/** What is by the day has no hours. */
function timeSteps({ data: [times] }: uPlot): number[] {
  const [first = 0, second = first] = times;
  return second - first < (DAY_SECONDS * 23) / 24 ? HOUR_STEPS : DAY_STEPS;
}

function tellNewest(chart: uPlot): void {
  const last = chart.data[0].length - 1;
  if (chart.cursor.idx == null && last >= 0) chart.setLegend({ idx: last }, false);
}

/** Half a bar before the first and after the last. */
function withRoomForBars({ data: [times] }: uPlot, from: number, to: number): uPlot.Range.MinMax {
  const half = ((times[1] ?? to) - (times[0] ?? from)) / 2;
  return [from - half, to + half];
}

function isMidnight(seconds: number): boolean {
  const at = new Date(seconds * 1_000);
  return at.getHours() === 0 && at.getMinutes() === 0;
}

function seriesOf(
  { name, kind }: ChartLine,
  { colour, formats }: { readonly colour: (name: string) => string; readonly formats: Drawn['formats'] },
): uPlot.Series {
  const { bars } = uPlot.paths;
  const told: uPlot.Series = {
    label: name,
    value: (_, value) => (value == null ? '–' : formats.current.format(value)),
    // Of one there is no line.
    points: { show: ({ data: [times] }) => times.length === 1 },
  };
  switch (kind) {
    case 'bars':
      return {
        ...told,
        fill: colour('--accent'),
        stroke: colour('--accent'),
        width: 0,
        ...(bars && { paths: bars({ size: [0.8, 48] }) }),
      };
    case 'area':
      return { ...told, stroke: colour('--accent'), width: 2, fill: colour('--glow') };
    case 'running':
      return { ...told, stroke: colour('--accent'), width: 2, dash: [2, 4] };
    case 'line':
      return { ...told, stroke: colour('--warm'), width: 2 };
    case 'before':
      return { ...told, stroke: colour('--soft'), width: 1.5, dash: [4, 4] };
  }
}

/** A canvas does not know the style sheet's names, nor `light-dark()`: an element of that colour does. */
function coloursOf(root: HTMLElement): (name: string) => string {
  return (name) => {
    const probe = document.createElement('i');
    probe.style.color = `var(${name})`;
    root.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
}

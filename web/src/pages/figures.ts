import { SECONDS_STEPS, SHARE_STEPS, WHOLE_STEPS } from '../chart-steps.ts';
import { change, duration, points, share, short } from '../format.ts';

/** What the API counts, of which the figures are made. */
export const MEASURES = ['visitors', 'sessions', 'pageviews', 'bounces', 'sessionSeconds', 'newVisitors'] as const;
export type Measure = (typeof MEASURES)[number];
/** One number of each, of the same time. */
export type Counts = Readonly<Partial<Record<Measure, number>>>;

export interface FigureKind {
  /** In an address. */
  readonly name: string;
  readonly title: string;
  readonly measure: Measure;
  /** What it is divided by. */
  readonly by?: Measure;
  readonly format: (value: number) => string;
  /** How far apart the values beside its chart may be. */
  readonly steps: readonly number[];
  /** How much it changed, in words; undefined where that cannot be said. */
  readonly change: (now: number, before: number) => string | undefined;
}

const relative = (now: number, before: number) => (before === 0 ? undefined : change((now - before) / before));
const inPoints = (now: number, before: number) => points(now - before);

const counted = (measure: Measure, title: string): FigureKind => ({
  ...{ name: measure, title, measure },
  ...{ format: short, steps: WHOLE_STEPS, change: relative },
});

export const FIGURES: readonly [FigureKind, ...FigureKind[]] = [
  counted('visitors', 'Visitors'),
  counted('sessions', 'Sessions'),
  counted('pageviews', 'Pageviews'),
  {
    ...{ name: 'bounceRate', title: 'Bounce rate', measure: 'bounces', by: 'sessions' },
    ...{ format: share, steps: SHARE_STEPS, change: inPoints },
  },
  {
    ...{ name: 'sessionLength', title: 'Session length', measure: 'sessionSeconds', by: 'sessions' },
    ...{ format: duration, steps: SECONDS_STEPS, change: relative },
  },
  counted('newVisitors', 'New visitors'),
];

export function figureOf(name: string | undefined): FigureKind {
  return FIGURES.find((figure) => figure.name === name) ?? FIGURES[0];
}

/** What of the API it is made of. */
export function measuresOf({ measure, by }: FigureKind): readonly Measure[] {
  return by === undefined ? [measure] : [measure, by];
}

/** Undefined where there is nothing to divide by, or nothing is known. */
export function amountOf({ measure, by }: FigureKind, counts: Counts): number | undefined {
  const value = counts[measure];
  if (value === undefined || by === undefined) return value;
  const whole = counts[by] ?? 0;
  return whole === 0 ? undefined : value / whole;
}

export interface Change {
  readonly words: string;
  readonly direction: 'up' | 'down' | 'same';
}

/** How a figure compares with the range before; undefined where there was nothing before. */
export function changeOf(figure: FigureKind, now: Counts, before: Counts): Change | undefined {
  const [value, was] = [amountOf(figure, now), amountOf(figure, before)];
  if (value === undefined || was === undefined) return undefined;
  const words = figure.change(value, was);
  return words === undefined ? undefined : { words, direction: value === was ? 'same' : value > was ? 'up' : 'down' };
}

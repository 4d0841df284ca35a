import type { SoakSample } from './soak-samples.ts';

interface Line {
  readonly label: string;
  readonly colour: string;
  readonly of: (sample: SoakSample) => number;
}

interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
}

const MEGABYTE = 1_000_000;
const DARK = '#1f5fa8';
const LIGHT = '#d9822b';

const PANELS: readonly Panel[] = [
  {
    title: 'memory, MB',
    lines: [
      { label: 'resident', colour: DARK, of: ({ residentBytes }) => residentBytes / MEGABYTE },
      { label: 'heaps in use', colour: LIGHT, of: ({ heapBytes }) => heapBytes / MEGABYTE },
    ],
  },
  {
    title: 'from due to 2xx, ms',
    lines: [
      { label: 'p99', colour: DARK, of: ({ acknowledgedP99Ms }) => acknowledgedP99Ms },
      { label: 'p50', colour: LIGHT, of: ({ acknowledgedP50Ms }) => acknowledgedP50Ms },
    ],
  },
  {
    title: 'from 2xx to queryable, ms',
    lines: [
      { label: 'p99', colour: DARK, of: ({ queryableP99Ms }) => queryableP99Ms },
      { label: 'p50', colour: LIGHT, of: ({ queryableP50Ms }) => queryableP50Ms },
    ],
  },
  {
    title: 'disk, MB',
    lines: [
      { label: 'log', colour: DARK, of: ({ logBytes }) => logBytes / MEGABYTE },
      { label: 'store', colour: LIGHT, of: ({ storeBytes }) => storeBytes / MEGABYTE },
    ],
  },
  {
    title: 'waiting, MB',
    lines: [
      { label: 'log not processed', colour: DARK, of: ({ lagBytes }) => lagBytes / MEGABYTE },
      { label: "store's write-ahead log", colour: LIGHT, of: ({ walBytes }) => walBytes / MEGABYTE },
    ],
  },
];

const WIDTH = 860;
const PANEL = { left: 70, width: 770, top: 34, height: 110, step: 170 } as const;

/** The samples as a picture: a panel a concern, over the same time. */
export function soakPlot(samples: readonly SoakSample[]): string {
  const seconds = Math.max(1, ...samples.map((sample) => sample.seconds));
  const height = PANELS.length * PANEL.step + 20;
  const panels = PANELS.map((panel, place) =>
    panelText(panel, { samples, seconds, top: PANEL.top + place * PANEL.step }),
  );
  const style = 'text{font:12px sans-serif;fill:#333}';
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}">` +
    `<title>Memory, latencies, disk and what waits, over a soak</title><style>${style}</style>` +
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>${panels.join('')}</svg>\n`
  );
}

interface Frame {
  readonly samples: readonly SoakSample[];
  readonly seconds: number;
  readonly top: number;
}

function panelText({ title, lines }: Panel, { samples, seconds, top }: Frame): string {
  const highest = Math.max(...lines.flatMap(({ of }) => samples.map(of)), 1e-9);
  const bottom = top + PANEL.height;
  const x = (sample: SoakSample) => (PANEL.left + (sample.seconds / seconds) * PANEL.width).toFixed(1);
  const y = (value: number) => (bottom - (value / highest) * PANEL.height).toFixed(1);
  const drawn = lines.map(({ label, colour, of }, place) => {
    const points = samples.map((sample) => `${x(sample)},${y(of(sample))}`).join(' ');
    const key = `<text x="${PANEL.left + 240 + place * 190}" y="${top - 10}" style="fill:${colour}">${label}</text>`;
    return `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="1.5"/>${key}`;
  });
  const end = PANEL.left + PANEL.width;
  return (
    `<text x="${PANEL.left}" y="${top - 10}" font-weight="bold">${title}</text>` +
    `<path d="M${PANEL.left} ${top}V${bottom}H${end}" fill="none" stroke="#999"/>` +
    `<text x="${PANEL.left - 6}" y="${top + 10}" text-anchor="end">${shortly(highest)}</text>` +
    `<text x="${PANEL.left - 6}" y="${bottom}" text-anchor="end">0</text>` +
    `<text x="${end}" y="${bottom + 15}" text-anchor="end">${(seconds / 60).toFixed(1)} min</text>${drawn.join('')}`
  );
}

function shortly(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2);
}

/** What an audit says, in words and lengths. */
import type { Audit, AuditProblem } from './answers.ts';
import { count, whole } from './format.ts';

/** Where an event that came in can be; together they are as many as came. */
export const OUTCOMES = ['stored', 'duplicate', 'bad', 'dead', 'forgotten', 'pending'] as const;
type Part = 'accepted' | 'redelivered' | (typeof OUTCOMES)[number];

/** The rows of the sum: their names in `/api/v1/audit`, and what each is. */
export const ROWS = [
  ['accepted', 'events of acknowledged records'],
  ['redelivered', 'events of further copies of a record'],
  ['stored', 'each of them once'],
  ['duplicate', 'stored once already'],
  ['bad', 'set aside, with reason and bytes'],
  ['dead', 'of records that cannot be processed'],
  ['forgotten', 'of before their person was erased'],
  ['pending', 'not processed yet'],
] as const satisfies readonly (readonly [Part, string])[];
/** They are mostly nothing, and then not shown. */
export const RARE: ReadonlySet<Part> = new Set(['redelivered', 'forgotten']);

/** Problems and notes that are spelt out. */
export const LISTED_MAX = 20;

export function cameIn({ accepted, redelivered }: Audit): number {
  return accepted + redelivered;
}

export function sumOf(audit: Audit): number {
  return OUTCOMES.reduce((sum, name) => sum + audit[name], 0);
}

export interface Verdict {
  readonly state: 'empty' | 'balanced' | 'off';
  readonly title: string;
  readonly words: string;
}

export function verdictOf(audit: Audit): Verdict {
  if (!audit.balanced) {
    const words =
      'What was accepted is not all accounted for, or not as it should be. docs/operate.md says what each problem means, and its cure.';
    return { state: 'off', title: `Not balanced: ${count(audit.problemCount, 'problem')}`, words };
  }
  if (cameIn(audit) === 0 && audit.waiting.length === 0) {
    const words =
      'Each event will be counted twice: by who accepts it, and by what becomes of it. Here both must come to the same.';
    return { state: 'empty', title: 'Nothing to account for yet', words };
  }
  const pending = audit.pending > 0 ? `; ${whole(audit.pending)} are not processed yet.` : '.';
  const words = `Each of the ${count(audit.accepted, 'event')} that were accepted is accounted for${pending}`;
  return { state: 'balanced', title: 'Balanced', words };
}

export interface Bar {
  readonly part: Part | 'missing';
  readonly row: 'came' | 'is';
  readonly x: number;
  readonly width: number;
}

/** What came in, above where it is, over a width of 1,000. Of records that are lost nobody knows how long they are: they get a place of one length. */
export function barsOf(audit: Audit): readonly Bar[] {
  const [came, sum] = [cameIn(audit), sumOf(audit)];
  const isLost = audit.lost > 0;
  const scale = (isLost ? 950 : 1_000) / Math.max(came, sum, 1);
  const bars = [...rowOf(audit, { parts: ['accepted', 'redelivered'], row: 'came', scale })];
  bars.push(...rowOf(audit, { parts: OUTCOMES, row: 'is', scale }));
  if (isLost || sum < came) {
    bars.push({ part: 'missing', row: 'is', x: sum * scale + 1, width: Math.max(6, 998 - sum * scale) });
  }
  return bars;
}

/** Who has little is seen all the same, at the cost of who has most. */
function rowOf(
  audit: Audit,
  { parts, row, scale }: { readonly parts: readonly Part[]; readonly row: Bar['row']; readonly scale: number },
): readonly Bar[] {
  const widths = parts.map((part) => (audit[part] === 0 ? 0 : Math.max(6, audit[part] * scale)));
  const length = parts.reduce((sum, part) => sum + audit[part], 0) * scale;
  const excess = widths.reduce((sum, width) => sum + width, 0) - length;
  const most = widths.indexOf(Math.max(...widths));
  let x = 0;
  return parts.flatMap((part, place) => {
    const width = (widths[place] ?? 0) - (place === most ? excess : 0);
    const at = x;
    x += width;
    return width <= 0 ? [] : [{ part, row, x: at, width: Math.max(2, width - 2) }];
  });
}

/** The picture, said. */
export function pictureWords(audit: Audit): string {
  const parts = OUTCOMES.filter((part) => !RARE.has(part) || audit[part] > 0).map(
    (part) => `${part} ${whole(audit[part])}`,
  );
  const lost = audit.lost > 0 ? `; and ${count(audit.lost, 'record')} lost` : '';
  return `${whole(cameIn(audit))} events came in; ${parts.join(', ')}${lost}`;
}

/** What the sum does not say. The first is what matters most, and warns when anything is lost. */
export function restOf(audit: Audit): readonly string[] {
  const { lost, unresolved, unwitnessed, waiting, expired, erased, dead } = audit;
  const gone = [expired > 0 && `${whole(expired)} expired`, erased > 0 && `${whole(erased)} erased`].filter(Boolean);
  const lanes = waiting.slice(0, LISTED_MAX).join(', ');
  const more = waiting.length > LISTED_MAX ? ` and ${count(waiting.length - LISTED_MAX, 'more lane')}` : '';
  return [
    lost > 0 && `${count(lost, 'record')} lost: acknowledged, and nowhere.`,
    unresolved > 0 &&
      `${count(unresolved, 'record')} unresolved: nowhere, and not known to have been acknowledged. A collector that was killed leaves such ones.`,
    unwitnessed > 0 &&
      `${count(unwitnessed, 'record')} not witnessed yet: their collector has not spoken of itself since. A loss behind them would not show so far.`,
    dead > 0 && 'Dead records are kept whole: clickstream redrive lists them and puts them back.',
    waiting.length > 0 && `Records wait to be processed in ${lanes}${more}.`,
    gone.length > 0 && `Of what was stored, ${gone.join(' and ')} since.`,
  ].filter((words) => words !== false);
}

/** Where a problem is. */
export function placesOf({ lane, sequence, hour, source, collector, number, eventId }: AuditProblem): string {
  const named = { lane, position: sequence, hour, source, collector, number, event: eventId };
  return Object.entries(named)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${name} ${value}`)
    .join(' · ');
}

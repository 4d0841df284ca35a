import type { BadReason, BadReplayed, BadReplays } from './answers.ts';
import { quoted } from './curl.ts';
import { count, moment, visible } from './format.ts';

/** Events set aside that are listed, and put back, together: of one source, reason and type. */
export interface BadKind {
  readonly source: string;
  readonly code: string;
  /** Null where none could be read. */
  readonly eventType: string | null;
  readonly count: number;
  readonly waiting: number;
  readonly first: string;
  readonly last: string;
  /** What was wrong, most often first. */
  readonly reasons: readonly BadReason[];
}

/** Those with most events first, as the reasons are. */
export function kindsOf(reasons: readonly BadReason[]): readonly BadKind[] {
  const groups = Map.groupBy(reasons, ({ source, code, eventType }) => keyOfKind({ source, code, eventType }));
  const kinds = [...groups.values()].map((own) => {
    const [{ source, code, eventType }] = own as [BadReason, ...BadReason[]];
    const times = own.flatMap(({ first, last }) => [first, last]).sort();
    return {
      ...{ source, code, eventType, reasons: own },
      count: own.reduce((sum, reason) => sum + reason.count, 0),
      waiting: own.reduce((sum, reason) => sum + reason.waiting, 0),
      first: times[0] ?? '',
      last: times.at(-1) ?? '',
    };
  });
  return kinds.sort((a, b) => b.count - a.count);
}

export function keyOfKind({ source, code, eventType }: Pick<BadKind, 'source' | 'code' | 'eventType'>): string {
  return JSON.stringify([source, code, eventType]);
}

/** Where they are, and how the command is to be let in. */
export interface CommandServer {
  readonly origin: string;
  readonly hasToken: boolean;
}

/** Those that the API lists, and puts back, together; undefined stands for any. */
export interface SomeBad {
  readonly code: string;
  readonly type: string | undefined;
  readonly source: string | undefined;
}

/** The API lists none by having no type. */
export const ANY_TYPE = 'of all types, and those without one';

/** The line that puts back all of a kind. Undefined for a type that could steer a terminal. */
export function replayAllCommand({ code, type, source }: SomeBad, server: CommandServer): string | undefined {
  if (type !== undefined && visible(type) !== type) return undefined;
  const narrowed = [type !== undefined && ['--type', type], source !== undefined && ['--source', source]];
  return commandOf(['bad', 'replay', '--all', '--code', code, ...narrowed.flatMap((words) => words || [])], server);
}

/** The lines that put back one: as it came, or, for what is no valid event as it came, mended. */
export function replayOneCommand(
  { id, code }: { readonly id: string; readonly code: string },
  server: CommandServer,
): string {
  if (code.startsWith('schema_')) return commandOf(['bad', 'replay', id], server);
  const shown = `${commandOf(['bad', 'show', id], server)} > event.json`;
  return `${shown}\n${commandOf(['bad', 'replay', id, '--edit', 'event.json'], server)}`;
}

function commandOf(words: readonly string[], { origin, hasToken }: CommandServer): string {
  const given = ['clickstream', ...words, '--url', origin].map(quoted).join(' ');
  return hasToken ? `${given} --token "$TOKEN"` : given;
}

/** What became of putting one back, in words. */
export function replayedWords({ at, edit, position, appended }: BadReplayed): string {
  const how = edit === null ? 'as it came' : 'edited';
  const where = position === null ? '' : `, to ${position.lane}/${position.sequence}`;
  if (!appended)
    return `It was put back already, ${how}, on ${moment(at)}${where}: that stands, and nothing was added.`;
  return `Put back ${how}${where}. If it does not fit now either, it comes back to this list as a new one that names this one.`;
}

/** All pieces so far. */
export interface ReplaySum {
  readonly replayed: number;
  readonly refused: number;
  /** The first of them. */
  readonly refusals: BadReplays['refused'];
  /** Why it ended early; what is left can be put back by doing the same once more. */
  readonly stopped: string | undefined;
}

export const NOTHING_REPLAYED: ReplaySum = { replayed: 0, refused: 0, refusals: [], stopped: undefined };
const REFUSALS_MAX = 20;

/** One that ended early, and got somewhere. */
export function isAskedAgain({ replayed, stopped }: Pick<BadReplays, 'replayed' | 'stopped'>): boolean {
  return stopped !== null && replayed > 0;
}

export function addPiece(sum: ReplaySum, piece: Pick<BadReplays, 'replayed' | 'refused' | 'stopped'>): ReplaySum {
  const { replayed } = piece;
  // The next one tells them again.
  const refused = isAskedAgain(piece) ? [] : piece.refused;
  return {
    ...sum,
    replayed: sum.replayed + replayed,
    refused: sum.refused + refused.length,
    refusals: [...sum.refusals, ...refused].slice(0, REFUSALS_MAX),
  };
}

export function replaySumWords(
  { replayed, refused, stopped }: ReplaySum,
  { isDry }: { readonly isDry: boolean },
): string {
  if (replayed === 0 && refused === 0 && stopped === undefined)
    return 'None waits: whatever is of this kind was put back already.';
  const kept = refused === 1 ? 'stays as it is' : 'stay as they are';
  const sentences = [
    isDry ? `${count(replayed, 'event')} would be put back.` : `${count(replayed, 'event')} put back.`,
    refused > 0 &&
      `${count(refused, 'event')} ${isDry ? 'would be' : refused === 1 ? 'was' : 'were'} refused, and ${kept}: still no valid event.`,
    stopped !== undefined && `It ended early: ${stopped} Do the same once more for the rest; none goes twice.`,
  ];
  return sentences.filter((words) => words !== false).join(' ');
}

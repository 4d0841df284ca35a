/**
 * The stages in order: read this first. Each is a function over the two ports, `EventLog` and `EventStore`; main/ gives
 * them the adapters of one home, and drives them.
 *
 *   collect   bytes of any protocol → events, appended to the log; a 2xx only once they are durable
 *   process   records of one lane → validated, stitched, counted, and applied to the store exactly once
 *   query     questions of readers → answers from the store
 */
import type { Redriver } from './collect/redrive.ts';
import { replayedLine } from './collect/replayed-line.ts';
import type { ClickstreamError } from './core/errors.ts';
import type { Clock } from './core/time.ts';
import type { View } from './core/view.ts';
import { MEASURES } from './measures.ts';
import { shownMemory } from './process/stitch.ts';
import { LEDGER, ledgerBucket, ledgerRows } from './process/views/ledger.ts';
import { propertiesSeen } from './process/views/properties-seen.ts';
import { VIEWS } from './process/views/registry.ts';
import { type BadReplay, type BadReplayParts, createBadReplay } from './query/bad-replay.ts';
import type { LogView } from './query/ledger-reading.ts';
import { type Answer, answer as answerQuestion, type QueryParts, type Question } from './query/queries.ts';
import { sealLedger } from './query/sealing.ts';
import type { EventReader, EventStore } from './store/event-store.ts';

export { createCollector as collect } from './collect/http.ts';
export { createEnrich } from './process/enrich.ts';
export { BytesEraser, eraseBytes } from './process/erase-bytes.ts';
export { processBatch } from './process/process-batch.ts';
export { hourOf } from './process/views/ledger.ts';

/** Of the views that can be asked to be folded anew. */
export const VIEW_NAMES = VIEWS.map(({ name }) => name);

/** The view of a name, one of `VIEW_NAMES`. */
export function viewOf(name: string): View {
  const view = VIEWS.find((known) => known.name === name);
  if (view === undefined) throw new Error(`there is no view ${name}`);
  return view;
}

const LEDGER_ROWS = { name: LEDGER.name, decode: ledgerRows.decode, bucketOf: ledgerBucket };

/** One pass over the ledger: what is settled goes into totals, and its rows go. Returns how many went. */
export function seal(
  from: Omit<Parameters<typeof sealLedger>[0], 'ledger'> & { readonly store: Pick<EventStore, 'seal'> },
): Promise<number> {
  return sealLedger({ ...from, ledger: LEDGER_ROWS });
}

/** The way back into the log of events that were set aside. */
export function createReplayOfBad({
  redriver,
  ...parts
}: Pick<BadReplayParts, 'find' | 'claim' | 'note' | 'clock'> & {
  readonly redriver: Pick<Redriver, 'appendAll'>;
}): BadReplay {
  return createBadReplay({
    ...parts,
    lineOf: replayedLine,
    append: (lines) =>
      redriver.appendAll(
        lines.map(({ source, receivedAt, visitor, line }) => ({
          header: { kind: 'events', source, visitor, receivedAt },
          lines: [line],
        })),
      ),
  });
}

/** Answers one question of the API. `log` says what of it is not yet processed, where the log can be looked into. */
export function answer(
  question: Question,
  from: {
    readonly reader: EventReader;
    readonly clock: Clock;
    /** @default the log cannot be looked into: nothing is said to be pending */
    readonly log?: (() => Promise<LogView>) | undefined;
    /** @default it is not known where the log ends */
    readonly logEnds?: QueryParts['logEnds'];
    /** @default none */
    readonly schemas?: QueryParts['schemas'];
    readonly report: (fault: ClickstreamError) => void;
  },
): Promise<Answer> {
  const { reader, schemas = () => ({ list: [], fault: undefined }), ...rest } = from;
  return answerQuestion(reader, question, {
    ...rest,
    measures: MEASURES,
    ledger: LEDGER_ROWS,
    views: VIEW_NAMES,
    seen: propertiesSeen,
    memoryOf: shownMemory,
    schemas,
  });
}

/**
 * The stages in order: read this first. Each is a function over the two ports, `EventLog` and `EventStore`; main/ gives
 * them the adapters of one home, and drives them.
 *
 *   collect   bytes of any protocol → events, appended to the log; a 2xx only once they are durable
 *   process   records of one lane → validated, stitched, counted, and applied to the store exactly once
 *   query     questions of readers → answers from the store
 */
import type { ClickstreamError } from './core/errors.ts';
import type { Clock } from './core/time.ts';
import type { Counts } from './process/views/counts.ts';
import { eventsByType } from './process/views/events-by-type.ts';
import { LEDGER, ledgerCodec } from './process/views/ledger.ts';
import { pageviewsByPage } from './process/views/pageviews-by-page.ts';
import { estimateVisitors, visitors } from './process/views/visitors.ts';
import type { LogView } from './query/audit.ts';
import { type Answer, answer as answerQuestion, type Question } from './query/queries.ts';
import { type Measures, split, total } from './query/stats.ts';
import type { EventReader } from './store/event-store.ts';

export { createCollector as collect } from './collect/http.ts';
export { processBatch } from './process/process-batch.ts';

const totalOf = ({ total: count }: Counts) => count;
const valuesOf = ({ values }: Counts) => values;

/** What can be measured, and by what: each measure or dimension is a line. */
const MEASURES: Measures = {
  events: { total: total(eventsByType, totalOf), by: { eventType: split(eventsByType, valuesOf) } },
  pageviews: { total: total(pageviewsByPage, totalOf), by: { page: split(pageviewsByPage, valuesOf) } },
  visitors: { total: total(visitors, estimateVisitors), by: {} },
};

/** Answers one question of the API. `log` says what of it is not yet processed, where the log can be looked into. */
export function answer(
  question: Question,
  from: {
    readonly reader: EventReader;
    readonly clock: Clock;
    readonly log: () => Promise<LogView>;
    readonly report: (fault: ClickstreamError) => void;
  },
): Promise<Answer> {
  const { reader, ...rest } = from;
  return answerQuestion(reader, question, {
    ...rest,
    measures: MEASURES,
    ledger: { name: LEDGER.name, decode: ledgerCodec.decode },
  });
}

import './event-list.css';
import { useMemo } from 'preact/hooks';
import type { EventPage, StoredEvent } from '../answers.ts';
import { keyOf } from '../event.ts';
import { weekday } from '../format.ts';
import type { Listed } from '../listed.ts';
import { usePoll } from '../poll.ts';
import { EventRow } from './event-view.tsx';

/** Events one after another, with the day wherever another one begins. They are drawn once, however often their page is. */
export function EventList({
  events,
  hasDays = false,
}: {
  readonly events: readonly StoredEvent[];
  readonly hasDays?: boolean;
}) {
  return useMemo(() => {
    let before = '';
    const rows = events.map((event) => {
      const day = weekday(event.timestamp);
      const isNew = hasDays && day !== before;
      before = day;
      return [isNew && <h3 key={`day ${keyOf(event)}`}>{day}</h3>, <EventRow key={keyOf(event)} event={event} />];
    });
    return <div class="events">{rows}</div>;
  }, [events, hasDays]);
}

/** What stands under a list that is read page by page. */
export function More({ of, words }: { readonly of: Listed<unknown>; readonly words: string }) {
  return (
    <p class="buttons more">
      {of.isMore && (
        <button type="button" class="quiet" disabled={of.isAsking} onClick={of.more}>
          {of.isAsking ? 'Reading…' : words}
        </button>
      )}
      <span class="trouble" role="status">
        {of.trouble}
      </span>
    </p>
  );
}

const NEWER_MS = 5_000;

/** Says so when a list of events, newest first, has newer ones than `events`. What is being read does not move until it is asked to. */
export function Newer({
  path,
  events,
  onShow,
}: {
  /** The list's first event, alone. */
  readonly path: string;
  readonly events: readonly StoredEvent[];
  readonly onShow: () => void;
}) {
  const { answer, isStale } = usePoll<EventPage>(path, { everyMs: NEWER_MS });
  const newest = isStale ? undefined : answer?.events[0];
  const isKnown = newest === undefined || events.some((event) => keyOf(event) === keyOf(newest));
  return (
    <div role="status">
      {!isKnown && (
        <button type="button" class="quiet" onClick={onShow}>
          Show what came since
        </button>
      )}
    </div>
  );
}

import { useState } from 'preact/hooks';
import type { StoredEvent } from '../answers.ts';
import { hasToken } from '../api.ts';
import { curlOf } from '../curl.ts';
import { batchOf, placeOf, whoOf } from '../event.ts';
import { clock, moment, visible } from '../format.ts';
import { hrefOf } from '../router.ts';
import { escapedJson } from '../sent-json.ts';
import { Copy } from './copy.tsx';

/** An event in a line, which opens. */
export function EventRow({
  event,
  isFresh = false,
  onOpen,
}: {
  readonly event: StoredEvent;
  /** It came just now, and is made to be noticed. */
  readonly isFresh?: boolean;
  readonly onOpen?: () => void;
}) {
  const [isOpen, setOpen] = useState(false);
  const toggled = ({ currentTarget: { open } }: { readonly currentTarget: HTMLDetailsElement }) => {
    setOpen(open);
    if (open) onOpen?.();
  };
  return (
    <details class="event" data-fresh={isFresh ? '' : undefined} onToggle={toggled}>
      <summary>
        <time dateTime={event.timestamp} title={moment(event.timestamp)}>
          {clock(event.timestamp)}
        </time>
        <span class="type">
          {event.facts.late && (
            <small class="mark" title="It came after a later one of the same visitor, and joined the session it found">
              late
            </small>
          )}
          <bdi>{visible(event.eventType)}</bdi>
        </span>
        <bdi class="who">{visible(whoOf(event))}</bdi>
        <bdi class="where">{visible(placeOf(event))}</bdi>
        <bdi class="source">{event.source}</bdi>
      </summary>
      {isOpen && <EventBody event={event} />}
    </details>
  );
}

function EventBody({ event }: { readonly event: StoredEvent }) {
  const json = JSON.stringify(event, null, 2);
  const line = curlOf('/v1/batch', batchOf(event), { origin: location.origin, hasToken: hasToken() });
  return (
    <div class="event-body">
      <p class="buttons">
        <Copy text={json}>Copy as JSON</Copy>
        <Copy text={line}>Copy as curl</Copy>
        <a href={hrefOf({ page: 'people', item: whoOf(event) })}>Whole timeline</a>
      </p>
      <pre tabIndex={0}>{escapedJson(json)}</pre>
    </div>
  );
}

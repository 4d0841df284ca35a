import type { StoredEvent } from '../answers.ts';
import { clock, moment, visible } from '../format.ts';
import { hrefOf } from '../router.ts';
import { Copy } from './copy.tsx';

export function keyOf({ position: { lane, sequence, index } }: StoredEvent): string {
  return `${lane}:${sequence}:${index}`;
}

/** Of an event, what of it says where it happened: a page's path, or what the tracker named. */
export function placeOf({ properties, context }: StoredEvent): string {
  const page = typeof context.page === 'object' && context.page !== null ? (context.page as Record<string, unknown>) : {};
  const found = [properties.path, properties.url, page.path, page.url].find((value) => typeof value === 'string');
  return typeof found === 'string' ? found : '';
}

/** An event in a line, which opens. */
export function EventRow({ event }: { readonly event: StoredEvent }) {
  const who = event.userId ?? event.anonymousId ?? event.visitor;
  return (
    <details class="event">
      <summary>
        <time dateTime={event.timestamp} title={moment(event.timestamp)}>
          {clock(event.timestamp)}
        </time>
        <bdi class="type">{visible(event.eventType)}</bdi>
        <bdi class="who">{visible(who)}</bdi>
        <bdi class="where">{visible(placeOf(event))}</bdi>
        <bdi class="source">{event.source}</bdi>
      </summary>
      <EventBody event={event} />
    </details>
  );
}

function EventBody({ event }: { readonly event: StoredEvent }) {
  const json = JSON.stringify(event, null, 2);
  return (
    <div class="event-body">
      <p class="buttons">
        <Copy text={json}>Copy as JSON</Copy>
        <Copy text={curlOf(event)}>Copy as curl</Copy>
        <a href={hrefOf({ page: 'people', item: event.userId ?? event.anonymousId ?? event.visitor })}>Whole timeline</a>
      </p>
      <pre tabIndex={0}>{json.split('\n').map(visible).join('\n')}</pre>
    </div>
  );
}

/** A line for a shell that sends the same once more; with the same ids it is a duplicate, and changes nothing. */
export function curlOf(event: StoredEvent): string {
  const { eventId: messageId, eventType, userId, anonymousId, createdAt: timestamp, properties, context, traits } = event;
  const calls = ['page', 'screen', 'identify', 'group', 'alias'];
  const call = calls.includes(eventType) ? { type: eventType } : { type: 'track', event: eventType };
  const sent = { ...call, messageId, userId, anonymousId, timestamp, properties, context, traits };
  const body = JSON.stringify({ batch: [sent] }).replaceAll("'", "'\\''");
  return `curl ${location.origin}/v1/batch -H 'Content-Type: application/json' -d '${body}'`;
}

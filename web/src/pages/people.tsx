import './people.css';
import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { EventPage, Json, Live, PersonExport, StoredEvent } from '../answers.ts';
import { pathOf } from '../api.ts';
import { clock, count, duration, moment, visible, whole } from '../format.ts';
import { type Listed, useListed } from '../listed.ts';
import type { PageProps } from '../page-props.ts';
import { Card, Figure } from '../parts/card.tsx';
import { EventList, More, Newer } from '../parts/event-list.tsx';
import { FirstEvent } from '../parts/first-event.tsx';
import { Scrolled } from '../parts/scrolled.tsx';
import { cameBy, newestPeople, type SeenPerson, type ShownSession, sessionsOf } from '../person.ts';
import { type Polled, usePoll } from '../poll.ts';
import { type Address, go, hrefOf } from '../router.ts';
import { escapedJson, isObject } from '../sent-json.ts';
import { Certificate, Erase } from './people-erase.tsx';
import { Export } from './people-export.tsx';

export function PeoplePage({ address: { item, parameters }, live }: PageProps) {
  // The newest answer of what happens now is no reason to draw a person anew.
  const person = useMemo(
    () => (item === '' ? undefined : <Person key={item} id={item} parameters={parameters} />),
    [item, parameters],
  );
  return (
    <>
      <Find key={item} id={item} />
      {person ?? <NewestPeople live={live} />}
    </>
  );
}

function Find({ id }: { readonly id: string }) {
  const find = (event: SubmitEvent) => {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem('id') as HTMLInputElement;
    if (field.value !== '') go({ page: 'people', item: field.value });
  };
  return (
    <form class="card find" onSubmit={find}>
      <label for="person">A userId or an anonymousId</label>
      <input
        id="person"
        name="id"
        defaultValue={id}
        autoComplete="off"
        autocapitalize="off"
        spellcheck={false}
        required
      />
      <button type="submit">Find</button>
    </form>
  );
}

function NewestPeople({ live }: { readonly live: Polled<Live> }) {
  const newest = live.answer?.newest ?? [];
  const [held, setHeld] = useState<readonly SeenPerson[]>();
  if (live.answer?.totals.stored === 0) return <FirstEvent />;
  const people = held ?? newestPeople(newest);
  // What moves under a pointer, or loses the focus, cannot be clicked.
  const hold = () => setHeld((before) => before ?? people);
  const release = ({ currentTarget }: { readonly currentTarget: Element }) => {
    if (!currentTarget.matches(':hover, :focus-within')) setHeld(undefined);
  };
  return (
    <Card title="Seen last" of={live}>
      {live.answer !== undefined && people.length === 0 && <p class="soft">Nobody in the newest events.</p>}
      <ul class="people" onMouseEnter={hold} onMouseLeave={release} onFocusIn={hold} onFocusOut={release}>
        {people.map(({ id, event }) => (
          <li key={id}>
            <a href={hrefOf({ page: 'people', item: id })}>
              <bdi>{visible(id)}</bdi>
            </a>
            <span class="soft">
              <bdi>{visible(event.eventType)}</bdi>, {clock(event.timestamp)}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

interface PersonProps {
  readonly id: string;
  readonly parameters: Address['parameters'];
}

function Person({ id, parameters }: PersonProps) {
  // A browser takes them for a way up, and would ask for something else.
  if (id === '.' || id === '..') {
    return (
      <Card title="This id cannot be asked for here">
        <p>
          Neither a browser nor the command line can put “{id}” into an address. This can, also with /export behind it:
          curl --path-as-is -X DELETE {location.origin}/api/v1/users/{id}
        </p>
      </Card>
    );
  }
  return <AskedPerson id={id} parameters={parameters} />;
}

function AskedPerson({ id, parameters: { erasure, more } }: PersonProps) {
  const path = `/api/v1/users/${encodeURIComponent(id)}`;
  const timeline = useListed(pathOf(`${path}/events`, { order: 'desc' }), eventsOf);
  const first = usePoll<EventPage>(pathOf(`${path}/events`, { order: 'asc', limit: 1 }), { everyMs: 0 });
  const kept = usePoll<PersonExport>(pathOf(`${path}/export`, { limit: 1 }), { everyMs: 0 });
  const again = () => {
    timeline.again();
    first.again();
    kept.again();
  };
  const devices = (kept.answer?.lines ?? []).filter(({ kind }) => kind === 'visitor').map(deviceOf);
  const events = timeline.items;
  const newer = events && (
    <Newer path={pathOf(`${path}/events`, { order: 'desc', limit: 1 })} events={events} onShow={again} />
  );
  const isNobody = events?.length === 0 && kept.answer !== undefined && devices.length === 0;
  return (
    <>
      {erasure !== undefined && <Certificate key={erasure} id={erasure} of={id} isMore={more === '1'} onDone={again} />}
      {isNobody ? (
        <NotFound id={id} wasErased={erasure !== undefined}>
          {newer}
        </NotFound>
      ) : (
        <>
          <Card title="Person" of={{ isStale: false, trouble: timeline.trouble ?? kept.trouble }}>
            <p class="subject">
              <bdi>{visible(id)}</bdi>
            </p>
            <dl class="figures person">
              <Figure name="First seen" value={timeOf(first.answer?.events[0])} />
              <Figure name="Last seen" value={timeOf(events?.[0])} />
              <Figure name="Devices" value={kept.answer && whole(devices.length)} />
              <Figure name="Sessions" value={kept.answer && whole(sessionCount(devices))} beside="on these devices" />
            </dl>
            <div class="buttons">
              <Export id={id} />
              <Erase id={id} />
            </div>
          </Card>
          <Devices devices={devices} of={id} />
          <Timeline timeline={timeline} newer={newer} of={id} />
        </>
      )}
    </>
  );
}

const eventsOf = ({ events }: EventPage) => events;
const timeOf = (event: StoredEvent | undefined) => event && moment(event.timestamp);

function NotFound({
  id,
  wasErased,
  children,
}: {
  readonly id: string;
  readonly wasErased: boolean;
  readonly children: ComponentChildren;
}) {
  return (
    <Card title={wasErased ? 'Nothing is left' : 'Nobody by this id'}>
      <p>
        Nothing is stored of “<bdi>{visible(id)}</bdi>”.
      </p>
      {children}
      {!wasErased && (
        <ul>
          <li>Ids are compared letter by letter: “Ada” is not “ada”, and a space at the end counts.</li>
          <li>
            Try the other one: the <code>userId</code> that your site gave, or the <code>anonymousId</code> that the
            tracker made.
          </li>
          <li>
            What was no valid event is under <a href={hrefOf({ page: 'bad' })}>Bad events</a>, whoever sent it.
          </li>
          <li>Events are kept for 400 days. Who was erased is gone.</li>
        </ul>
      )}
      <p>
        <a href={hrefOf({ page: 'people' })}>Who was seen last</a>
      </p>
    </Card>
  );
}

interface Device {
  readonly source: string;
  readonly visitor: string;
  /** Between its events; absent where nothing is. */
  readonly kept: Json | undefined;
}

function deviceOf({ source, visitor, kept }: Json): Device {
  return { source: String(source), visitor: String(visitor), kept: isObject(kept) ? kept : undefined };
}

function sessionCount(devices: readonly Device[]): number {
  return devices.reduce((sum, { kept }) => sum + Number(kept?.session ?? 0), 0);
}

function Devices({ devices, of }: { readonly devices: readonly Device[]; readonly of: string }) {
  if (devices.length === 0) return null;
  return (
    <Card title="Devices, and what is kept of them between events">
      <Scrolled name="Devices">
        <table class="devices">
          <thead>
            <tr>
              <th scope="col">Device</th>
              <th scope="col">Source</th>
              <th scope="col">Last user</th>
              <th scope="col">Sessions</th>
              <th scope="col">Latest session</th>
              <th scope="col">Came by</th>
              <th scope="col">All of it</th>
            </tr>
          </thead>
          <tbody>
            {devices.map((device) => (
              <DeviceRow key={`${device.source}\0${device.visitor}`} device={device} of={of} />
            ))}
          </tbody>
        </table>
      </Scrolled>
    </Card>
  );
}

function DeviceRow({ device: { source, visitor, kept = {} }, of }: { readonly device: Device; readonly of: string }) {
  const { session, sessionStart, last, user, opening } = kept;
  return (
    <tr>
      <td>
        <Id id={visitor} of={of} />
      </td>
      <td>
        <bdi>{source}</bdi>
      </td>
      <td>{typeof user === 'string' ? <Id id={user} of={of} /> : '–'}</td>
      <td>{typeof session === 'number' ? whole(session) : '–'}</td>
      <td class="moment">
        {typeof sessionStart === 'string' ? `${moment(sessionStart)} to ${clock(String(last))}` : '–'}
      </td>
      <td class="came">
        <bdi>{visible(isObject(opening) ? cameBy(opening) : '') || '–'}</bdi>
      </td>
      <td>
        <details>
          <summary>JSON</summary>
          <pre>{escapedJson(JSON.stringify(kept, null, 2))}</pre>
        </details>
      </td>
    </tr>
  );
}

function Id({ id, of }: { readonly id: string; readonly of: string }) {
  const text = <bdi>{visible(id)}</bdi>;
  return id === of ? text : <a href={hrefOf({ page: 'people', item: id })}>{text}</a>;
}

function Timeline({
  timeline,
  newer,
  of,
}: {
  readonly timeline: Listed<StoredEvent>;
  /** Says so when there are newer ones. */
  readonly newer: ComponentChildren;
  readonly of: string;
}) {
  const { items, isMore } = timeline;
  const sessions = useMemo(() => sessionsOf(items ?? []), [items]);
  return (
    <Card title="Timeline" aside="newest first">
      {items === undefined ? (
        <p class="soft">{timeline.trouble ?? 'Reading…'}</p>
      ) : (
        <>
          {newer}
          {items.length === 0 && <p class="soft">No events.</p>}
          {sessions.map((session) => (
            <Session key={session.key} session={session} of={of} isMore={isMore} />
          ))}
          <More of={timeline} words="Older" />
        </>
      )}
    </Card>
  );
}

function Session({
  session,
  of,
  isMore,
}: {
  readonly session: ShownSession;
  readonly of: string;
  readonly isMore: boolean;
}) {
  const { number, start, seconds, opening, events, source, visitor } = session;
  return (
    <section class="session" aria-label={`Session ${number} of ${moment(start)}`}>
      <div class="session-head">
        <h3>
          Session {whole(number)} <span class="soft">{moment(start)}</span>
        </h3>
        <p class="soft">
          {duration(seconds)} · {count(events.length, 'event')} · {source}
          {visitor !== of && (
            <>
              {' '}
              · <bdi>{visible(visitor)}</bdi>
            </>
          )}
        </p>
        <p>
          <Opening event={opening} isMore={isMore} />
        </p>
      </div>
      <EventList events={events} />
    </section>
  );
}

function Opening({
  event,
  isMore,
}: {
  readonly event: StoredEvent | undefined;
  readonly isMore: boolean;
}): ComponentChildren {
  if (event === undefined)
    return <span class="soft">{isMore ? 'It began before what is shown.' : 'Its first event is not here.'}</span>;
  const { enriched, newVisitor } = event.facts;
  const came = cameBy(enriched);
  const page = typeof enriched.page === 'string' ? enriched.page : '';
  return (
    <>
      {newVisitor && <small class="mark">new</small>} {enriched.bot === true && <small class="mark">bot</small>}{' '}
      <bdi>{visible(came)}</bdi>
      {page !== '' && (
        <>
          {came !== '' && ', '}entered at <bdi>{visible(page)}</bdi>
        </>
      )}
    </>
  );
}

import './events.css';
import type { EventPage, Schemas, SeenType, Stats, StatsRow } from '../answers.ts';
import { pathOf } from '../api.ts';
import { Chart } from '../chart.tsx';
import { count, hour, share, short, visible, weekday, whole } from '../format.ts';
import { useListed } from '../listed.ts';
import type { PageProps } from '../page-props.ts';
import { Bars } from '../parts/bars.tsx';
import { Card, Figure } from '../parts/card.tsx';
import { EventList, More, Newer } from '../parts/event-list.tsx';
import { Filters } from '../parts/filters.tsx';
import { FirstEvent } from '../parts/first-event.tsx';
import { Scrolled } from '../parts/scrolled.tsx';
import { useShowAll } from '../parts/show-all.tsx';
import { usePoll } from '../poll.ts';
import { type Range, rangeOf, zone } from '../range.ts';
import { type Address, hrefOf } from '../router.ts';

const STATS_MS = 10_000;
const SCHEMAS_MS = 60_000;
/** That the API gives at the most. */
const TYPES_MAX = 1_000;
const TYPES_SHOWN = 100;
const PROPERTIES_SHOWN = 50;
/** Of the longest time that properties are counted over; the API takes 100. */
const PROPERTY_DAYS_MAX = 90;
const DAY_MS = 86_400_000;
/** What a row of a view counts under this is several, for it had no room for them. */
const OTHER = '(other)';
const OTHER_NAME = 'other types, beyond the 1,000 that an hour counts one by one';

export function EventsPage({ address, live }: PageProps) {
  if (live.answer?.totals.stored === 0) return <FirstEvent />;
  const { type } = address.parameters;
  return type === undefined || type === '' ? (
    <Types address={address} />
  ) : (
    <EventType key={type} type={type} address={address} />
  );
}

/** What is asked for, as parameters of the API. A range that is not over ends when it is asked for, so that the question stays the same. */
interface Asked {
  readonly from: number;
  readonly to: number | undefined;
  readonly source: string | undefined;
  readonly bots: string | undefined;
}

function askedOf({ source, bots }: Address['parameters'], { from, to }: Range, now: number): Asked {
  return { from, to: to < now || from >= now ? to : undefined, source, bots };
}

function Types({ address }: { readonly address: Address }) {
  const { parameters } = address;
  const now = Date.now();
  const asked = askedOf(parameters, rangeOf(parameters, now), now);
  const path = pathOf('/api/v1/stats', {
    measure: 'events',
    by: 'eventType',
    interval: 'total',
    limit: TYPES_MAX,
    ...asked,
  });
  const types = usePoll<Stats>(path, { everyMs: STATS_MS });
  const rows = types.answer?.rows ?? [];
  const all = rows.reduce((sum, { value }) => sum + value, 0);
  const [shown, more] = useShowAll(rows, TYPES_SHOWN);
  const hrefTo = (type: string) => hrefOf({ page: 'events', parameters: { ...parameters, type } });
  return (
    <>
      <Filters address={address} />
      <Card title="Events by type" of={types} aside={types.answer && told(rows, all)}>
        {types.answer !== undefined && rows.length === 0 && (
          <NoneHere address={address} words="No events in this range." />
        )}
        {rows.length > 0 && (
          <Bars
            of="Type"
            measure="Events"
            rows={shown.map(({ key = '', value }) => ({
              ...{ key, value, name: key === OTHER ? OTHER_NAME : visible(key) },
              ...(key !== OTHER && { href: hrefTo(key) }),
            }))}
            whole={all}
            format={(value) => (
              <>
                {whole(value)} <small class="soft">{share(value / all)}</small>
              </>
            )}
          />
        )}
        {more}
      </Card>
    </>
  );
}

function told(rows: readonly StatsRow[], events: number): string {
  const types = rows.filter(({ key }) => key !== OTHER).length;
  const isAll = types === rows.length && types < TYPES_MAX;
  return isAll ? `${count(events, 'event')} of ${count(types, 'type')}` : `the ${whole(types)} largest`;
}

function NoneHere({ address, words }: { readonly address: Address; readonly words: string }) {
  return (
    <p>
      {words}{' '}
      {address.parameters.range !== '12mo' && (
        <a href={hrefOf({ page: 'events', parameters: { ...address.parameters, range: '12mo' } })}>
          Look at the last 12 months
        </a>
      )}
    </p>
  );
}

function EventType({ type, address }: { readonly type: string; readonly address: Address }) {
  const now = Date.now();
  const range = rangeOf(address.parameters, now);
  const asked = askedOf(address.parameters, range, now);
  const total = (measure: string) =>
    pathOf('/api/v1/stats', { measure, interval: 'total', by: 'eventType', key: type, ...asked });
  const events = usePoll<Stats>(total('events'), { everyMs: STATS_MS });
  const visitors = usePoll<Stats>(total('visitors'), { everyMs: STATS_MS });
  const { interval } = range;
  const over = { measure: 'events', by: 'eventType', key: type, interval, zone: zone() };
  const volume = usePoll<Stats>(pathOf('/api/v1/stats', { ...over, ...asked }), { everyMs: STATS_MS });
  const all = [events, visitors, volume];
  const trouble = all.find((one) => one.trouble !== undefined)?.trouble;
  const { type: _, ...others } = address.parameters;
  return (
    <>
      <Filters address={address} />
      <Card
        title="Events of one type"
        of={{ isStale: all.some(({ isStale }) => isStale), trouble }}
        aside={<a href={hrefOf({ page: 'events', parameters: others })}>All types</a>}
      >
        <p class="subject">
          <bdi>{visible(type)}</bdi>
        </p>
        <dl class="figures">
          <Figure name="Events" value={events.answer && whole(events.answer.rows[0]?.value ?? 0)} tone="lead" />
          <Figure name="Visitors" value={visitors.answer && whole(visitors.answer.rows[0]?.value ?? 0)} />
        </dl>
        {volume.answer === undefined ? (
          trouble === undefined && <p class="soft">Reading…</p>
        ) : (
          <Volume type={type} of={volume.answer} />
        )}
      </Card>
      <Properties type={type} asked={asked} now={now} />
      <Examples type={type} asked={asked} address={address} />
    </>
  );
}

function Volume({ type, of: { rows, interval } }: { readonly type: string; readonly of: Stats }) {
  return (
    <Chart
      times={rows.map(({ time }) => Date.parse(time))}
      lines={[{ name: 'Events', values: rows.map(({ value }) => value), kind: 'bars' }]}
      label={`Events of type ${visible(type)} by the ${interval}`}
      format={short}
      formatTime={interval === 'day' ? weekday : hour}
    />
  );
}

function Properties({ type, asked, now }: { readonly type: string; readonly asked: Asked; readonly now: number }) {
  const { source, from, to } = asked;
  const earliest = Math.floor((to ?? now) / DAY_MS - PROPERTY_DAYS_MAX) * DAY_MS;
  const path = pathOf('/api/v1/schemas', { type, source, to, from: Math.max(from, earliest) });
  const schemas = usePoll<Schemas>(path, { everyMs: SCHEMAS_MS });
  const isCut = schemas.answer?.types.some(({ eventType }) => eventType === OTHER);
  // One with a schema is told of also where none was seen.
  const seen = schemas.answer?.types.filter(({ eventType, events }) => eventType === type && !(isCut && events === 0));
  const aside = from < earliest ? `of the last ${PROPERTY_DAYS_MAX} days` : 'of whole days, by UTC';
  return (
    <Card title="Properties seen" of={schemas} aside={aside}>
      {schemas.answer?.fault != null && (
        <p class="trouble">The schemas as they are in their folder now are not in force: {schemas.answer.fault}</p>
      )}
      {seen?.length === 0 && (
        <p class="soft">
          {isCut
            ? 'Not known: there were more types in a day than the 200 whose properties are counted.'
            : 'None: no event of this type in this range.'}
        </p>
      )}
      {seen?.map((one) => (
        <SeenProperties key={one.source ?? ''} seen={one} isAlone={seen.length === 1} />
      ))}
    </Card>
  );
}

function SeenProperties({ seen, isAlone }: { readonly seen: SeenType; readonly isAlone: boolean }) {
  const { source, events, versions, field, capped, properties } = seen;
  const [shown, more] = useShowAll(properties, PROPERTIES_SHOWN);
  const hasSchema = versions.length > 0;
  return (
    <>
      {!isAlone && (
        <h3>
          Source <bdi>{source ?? 'any'}</bdi>
        </h3>
      )}
      <p class="soft">
        {whole(events)} events.{' '}
        {hasSchema ? `Schema version ${versions.at(-1)}.` : 'No schema holds for this type: whatever it has is taken.'}
        {capped && ' There are more properties than are counted one by one.'}
      </p>
      {properties.length === 0 ? (
        <p class="soft">They have no {field}.</p>
      ) : (
        <Scrolled name="Properties">
          <table class="properties">
            <thead>
              <tr>
                <th scope="col">{field === 'traits' ? 'Trait' : 'Property'}</th>
                <th scope="col" class="number">
                  In events
                </th>
                <th scope="col" class="number">
                  Share
                </th>
                <th scope="col">JSON types</th>
                {hasSchema && <th scope="col">Schema</th>}
              </tr>
            </thead>
            <tbody>
              {shown.map((property) => (
                <PropertyRow key={property.name} property={property} events={events} hasSchema={hasSchema} />
              ))}
            </tbody>
          </table>
        </Scrolled>
      )}
      {more}
    </>
  );
}

function PropertyRow({
  property: { name, count, types, inSchema, required },
  events,
  hasSchema,
}: {
  readonly property: SeenType['properties'][number];
  readonly events: number;
  readonly hasSchema: boolean;
}) {
  const kinds = Object.entries(types).sort(([, a], [, b]) => b - a);
  return (
    <tr>
      <th scope="row">
        <bdi>{visible(name)}</bdi>
      </th>
      <td class="number">{whole(count)}</td>
      <td class="number">{name === OTHER || events === 0 ? '' : share(count / events)}</td>
      <td>
        {kinds.map(([kind, times]) => (kinds.length === 1 ? kind : `${kind} ${share(times / count)}`)).join(', ')}
      </td>
      {hasSchema && (
        <td class={inSchema ? undefined : 'trouble'}>{required ? 'required' : inSchema ? 'optional' : 'not in it'}</td>
      )}
    </tr>
  );
}

function Examples({
  type,
  asked: { source, from, to },
  address,
}: {
  readonly type: string;
  readonly asked: Asked;
  readonly address: Address;
}) {
  const asked = { type, source, from, to, order: 'desc' };
  const listed = useListed(pathOf('/api/v1/events', { ...asked, limit: 20 }), ({ events }: EventPage) => events);
  const { items, trouble, again } = listed;
  return (
    <Card title="Newest" aside="bots too">
      {items === undefined ? (
        <p class="soft">{trouble ?? 'Reading…'}</p>
      ) : (
        <>
          <Newer path={pathOf('/api/v1/events', { ...asked, limit: 1 })} events={items} onShow={again} />
          {items.length === 0 && <NoneHere address={address} words="No event of this type in this range." />}
          <EventList events={items} hasDays />
          <More of={listed} words="Older" />
        </>
      )}
    </Card>
  );
}

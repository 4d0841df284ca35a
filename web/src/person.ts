/** What a person's events say together. */
import type { Json, StoredEvent } from './answers.ts';
import { whoOf } from './event.ts';

export interface SeenPerson {
  readonly id: string;
  readonly event: StoredEvent;
}

/** Who events are of, each once, in the order in which each one's first event comes. */
export function newestPeople(events: readonly StoredEvent[]): readonly SeenPerson[] {
  const people = new Map<string, SeenPerson>();
  for (const event of events) {
    const id = whoOf(event);
    if (!people.has(id)) people.set(id, { id, event });
  }
  return [...people.values()];
}

export interface ShownSession {
  readonly key: string;
  readonly source: string;
  readonly visitor: string;
  /** Of the visitor's sessions, from 1. */
  readonly number: number;
  readonly start: string;
  /** From its start to the latest of its events that are here. */
  readonly seconds: number;
  /** Its first event, where that is here. */
  readonly opening: StoredEvent | undefined;
  /** As they were given. */
  readonly events: readonly StoredEvent[];
}

/** Events of a person by session, in the order in which each session's first one comes. */
export function sessionsOf(events: readonly StoredEvent[]): readonly ShownSession[] {
  const groups = new Map<string, StoredEvent[]>();
  for (const event of events) {
    const key = [event.source, event.visitor, event.facts.session].join('\0');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [event]);
    else group.push(event);
  }
  return [...groups].map(([key, own]) => sessionOf(key, own as [StoredEvent, ...StoredEvent[]]));
}

function sessionOf(key: string, events: readonly [StoredEvent, ...StoredEvent[]]): ShownSession {
  const [{ source, visitor, facts }] = events;
  const latest = events.reduce((most, { timestamp }) => Math.max(most, Date.parse(timestamp)), 0);
  return {
    ...{ key, source, visitor, number: facts.session, start: facts.sessionStart, events },
    seconds: Math.max(0, (latest - Date.parse(facts.sessionStart)) / 1_000),
    opening: events.find(({ facts: { first } }) => first),
  };
}

/** What led to it, in words, from what enrichment found of a session's first event: "paid, google / cpc, campaign spring". */
export function cameBy(enriched: Json): string {
  const { channel, source, medium, campaign, referrer } = enriched;
  const tagged = [source, medium].filter(isWord).join(' / ');
  const from = tagged !== '' ? tagged : referrer;
  return [channel, from, isWord(campaign) && `campaign ${campaign}`].filter(isWord).join(', ');
}

function isWord(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

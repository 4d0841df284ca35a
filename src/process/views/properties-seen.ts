import type { Json } from '../../core/json.ts';
import { LIMITS } from '../../core/limits.ts';
import { readJson } from '../../core/read-json.ts';
import type { RowCodec, View } from '../../core/view.ts';
import { OTHER } from './table.ts';

/** JSON's types, and whole numbers apart from those with a fraction. The order is that of the encoded row. */
const JSON_TYPES = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'] as const;
type JsonType = (typeof JSON_TYPES)[number];
type TypeCounts = Record<JsonType, number>;

/** What the events of one type had. */
interface TypeSeen {
  events: number;
  /** The place in the batch of the first of them; of no meaning in a row. */
  first: number;
  readonly properties: Map<string, PropertySeen>;
}

interface PropertySeen {
  /** How often it was there, by the type of its value. */
  readonly counts: TypeCounts;
  first: number;
}

/** By event type. */
export type PropertiesSeen = Map<string, TypeSeen>;

const codec: RowCodec<PropertiesSeen> = {
  empty: () => new Map(),
  encode: (state) =>
    JSON.stringify(
      [...state]
        .sort(byName)
        .map(([eventType, { events, properties }]) => [
          eventType,
          events,
          [...properties].sort(byName).map(([name, { counts }]) => [name, ...JSON_TYPES.map((type) => counts[type])]),
        ]),
    ),
  decode(text) {
    const types = readJson(text) as [string, number, [string, ...number[]][]][];
    return new Map(
      types.map(([eventType, events, properties]) => [
        eventType,
        {
          events,
          first: 0,
          properties: new Map(properties.map(([name, ...counts]) => [name, { counts: countsOf(counts), first: 0 }])),
        },
      ]),
    );
  },
};

/**
 * Which properties events had, by event type, and of which JSON types; a row holds a day of UTC. Of an event it takes the
 * names and types at the top of `properties`, of identify and group those of `traits`; no values. It sees events that were
 * stored, not those set aside.
 *
 * Of a row the first `seenTypesMax` event types have an entry of their own; of the rest, only how many there were is kept,
 * under "(other)". So do the first `seenPropertiesPerTypeMax` properties of a type; the rest is counted as one property
 * "(other)", which an event can have many times.
 */
export const propertiesSeen: View<PropertiesSeen> = {
  ...codec,
  name: 'properties-seen',
  version: 1,
  at: (event) => event.timestamp.slice(0, 16),
  buckets: (minute) => [`day/${minute.slice(0, 10)}`],

  fold(state, event, _facts, order) {
    const seen = typeOf(state, event.eventType, order);
    seen.events += 1;
    const values = event.eventType === 'identify' || event.eventType === 'group' ? event.traits : event.properties;
    for (const name in values) {
      const value = values[name];
      if (value !== undefined) propertyOf(seen, cut(name), order).counts[jsonTypeOf(value)] += 1;
    }
    return state;
  },

  absorb(row, deltas) {
    for (const [eventType, { events, first, properties }] of inOrder(deltas)) {
      const isNamed = row.has(eventType) || row.size < LIMITS.seenTypesMax;
      const seen = typeOf(row, isNamed ? eventType : OTHER, first);
      seen.events += events;
      if (!isNamed) continue;
      for (const [name, property] of properties) {
        const isOpen = seen.properties.has(name) || seen.properties.size < LIMITS.seenPropertiesPerTypeMax;
        add(seen, isOpen ? name : OTHER, property);
      }
    }
    return row;
  },

  merge: (a, b) => mergeAll([a, b]),
};

/** Minutes of a batch lie beside each other; a cap takes what came first, in whatever minute. */
function inOrder(deltas: readonly PropertiesSeen[]): PropertiesSeen {
  const [only, ...others] = deltas;
  if (only !== undefined && others.length === 0) return only;
  const sorted = [...mergeAll(deltas)].sort(byFirst);
  return new Map(
    sorted.map(([eventType, seen]) => [
      eventType,
      { ...seen, properties: new Map([...seen.properties].sort(byFirst)) },
    ]),
  );
}

function mergeAll(states: readonly PropertiesSeen[]): PropertiesSeen {
  const merged = codec.empty();
  for (const state of states) {
    for (const [eventType, { events, first, properties }] of state) {
      const seen = typeOf(merged, eventType, first);
      seen.events += events;
      seen.first = Math.min(seen.first, first);
      for (const [name, property] of properties) add(seen, name, property);
    }
  }
  return merged;
}

function typeOf(state: PropertiesSeen, eventType: string, first: number): TypeSeen {
  let seen = state.get(eventType);
  if (seen === undefined) {
    seen = { events: 0, first, properties: new Map() };
    state.set(eventType, seen);
  }
  return seen;
}

function propertyOf({ properties }: TypeSeen, name: string, first: number): PropertySeen {
  let property = properties.get(name);
  if (property === undefined) {
    property = { counts: countsOf([]), first };
    properties.set(name, property);
  }
  return property;
}

function add(into: TypeSeen, name: string, { counts, first }: PropertySeen): void {
  const property = propertyOf(into, name, first);
  property.first = Math.min(property.first, first);
  for (const type of JSON_TYPES) property.counts[type] += counts[type];
}

/** In the order of JSON_TYPES. */
function countsOf([
  none = 0,
  boolean = 0,
  integer = 0,
  number = 0,
  string = 0,
  array = 0,
  object = 0,
]: readonly number[]) {
  return { null: none, boolean, integer, number, string, array, object };
}

function jsonTypeOf(value: Json): JsonType {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'number':
      return Number.isInteger(value) ? 'integer' : 'number';
    case 'boolean':
      return 'boolean';
    default:
      return value === null ? 'null' : Array.isArray(value) ? 'array' : 'object';
  }
}

function cut(name: string): string {
  return name.length > LIMITS.seenNameCharsMax ? `${name.slice(0, LIMITS.seenNameCharsMax - 1)}…` : name;
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function byFirst([, a]: readonly [string, { first: number }], [, b]: readonly [string, { first: number }]): number {
  return a.first - b.first;
}

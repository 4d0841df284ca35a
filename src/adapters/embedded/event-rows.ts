import { hash } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type Identity, identityKey } from '../../core/event.ts';
import { epochMsOf } from '../../core/time.ts';
import type { EventPut, KnownEvent } from '../../store/event-store.ts';
import type { Names } from './names.ts';
import { type EventRow, hasIdentity, selectAll, timeKey } from './stored-rows.ts';
import { OTHER_TYPES, TypeLists } from './type-lists.ts';

/**
 * The events, for their one writer: none of one identity lies twice. An index finds an event by its visitor, time and hash;
 * twins are those that have all three in common, and are numbered from 0.
 */
export class EventRows {
  readonly #people: Names;
  readonly #labels: Names;
  readonly #lists: TypeLists;
  readonly #put: StatementSync;
  readonly #anyCandidate: StatementSync;
  readonly #candidates: StatementSync;

  constructor(database: DatabaseSync, { people, labels }: { readonly people: Names; readonly labels: Names }) {
    this.#people = people;
    this.#labels = labels;
    this.#lists = new TypeLists(database);
    this.#put = database.prepare(
      `INSERT INTO events (lane, sequence, place, visitor, source, event_type, created_at, timestamp, received_at,
         hash, twin, facts, body, other_type) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    );
    this.#anyCandidate = database.prepare(
      'SELECT 1 FROM events WHERE visitor = ? AND created_at = ? AND hash = ? AND twin = 0',
    );
    this.#candidates = database.prepare(
      `SELECT lane, sequence, place, labels.text AS source, facts, body
       FROM events JOIN labels ON labels.id = events.source WHERE visitor = ? AND created_at = ? AND hash = ?`,
    );
  }

  find(identity: Identity): KnownEvent | undefined {
    const visitorId = this.#people.find(identity.visitor);
    return visitorId === undefined ? undefined : this.#find(identity, visitorId, hashOf(identity));
  }

  /** Puts those that are absent, within a transaction, and returns those that are not, by `identityKey`. */
  putAbsent(puts: readonly EventPut[]): ReadonlyMap<string, KnownEvent> {
    const known = new Map<string, KnownEvent>();
    for (const put of puts) {
      const visitorId = this.#people.intern(put.visitor.visitor);
      const hash = hashOf(put.identity);
      for (let twin = 0; !this.#putTwin(put, { visitorId, hash, twin }); twin += 1) {
        // In this batch none lies twice, the core saw to that.
        const found = twin === 0 ? this.#find(put.identity, visitorId, hash) : undefined;
        if (found === undefined) continue;
        known.set(identityKey(put.identity), found);
        break;
      }
    }
    return known;
  }

  /** False when another event has this hash and twin. */
  #putTwin(
    { identity, position, visitor, eventType, timestamp, receivedAt, facts, body }: EventPut,
    { visitorId, hash, twin }: { readonly visitorId: number; readonly hash: number; readonly twin: number },
  ): boolean {
    const source = this.#labels.intern(visitor.source);
    const type = this.#labels.intern(eventType);
    const hasList = this.#lists.take({ source, type });
    const { changes } = this.#put.run(
      position.lane,
      position.sequence,
      position.index,
      visitorId,
      source,
      hasList ? type : this.#labels.intern(OTHER_TYPES),
      timeKey(identity.createdAt),
      epochMsOf(timestamp),
      receivedAt,
      hash,
      twin,
      facts,
      body,
      hasList ? null : type,
    );
    return changes === 1;
  }

  #find(identity: Identity, visitorId: number, hash: number): KnownEvent | undefined {
    const key = [visitorId, timeKey(identity.createdAt), hash] as const;
    // Most are not there, which the index alone tells.
    if (this.#anyCandidate.get(...key) === undefined) return undefined;
    const rows = selectAll<EventRow>(this.#candidates, ...key);
    const row = rows.find((candidate) => hasIdentity(candidate, identity));
    if (row === undefined) return undefined;
    const { lane, sequence, place, facts } = row;
    return { position: { lane, sequence, index: Number(place) }, facts };
  }
}

/** Finds candidates only: the whole identity is compared on a hit. */
function hashOf({ source, eventId, fingerprint }: Identity): number {
  // Not a checksum: who could make many texts of one hash could make each of them be compared with all. 48 bits, signed, are
  // six bytes in SQLite.
  return Number.parseInt(hash('sha256', `${source}\0${eventId}\0${fingerprint}`, 'hex').slice(0, 12), 16) - 2 ** 47;
}

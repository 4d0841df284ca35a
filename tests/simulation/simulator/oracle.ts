/**
 * What must be so in the end of a history, from what was sent and from the records as they lie in the log, in order. It imports nothing, it is slow,
 * and it is short, so that it can be checked by reading.
 */

export interface SentEvent {
  /** Carried in the context, where it is no part of what makes two deliveries one event. */
  readonly mark: number;
  readonly kind: 'good' | 'bad' | 'poison';
  readonly visitor: string;
  readonly userId: string | undefined;
  readonly eventId: string | undefined;
  readonly eventType: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** As JSON. */
  readonly properties: string;
  readonly path: string | undefined;
  isAcknowledged: boolean;
}

export interface Arrival {
  readonly place: string;
  readonly collector: string;
  readonly number: number;
  /** Numbers of this collector whose records it has given up. */
  readonly voids: readonly number[];
  readonly kind: 'events' | 'erase';
  readonly visitor: string;
  /** ISO 8601. */
  readonly receivedAt: string;
  /** Whether what makes the core throw was mended before it was processed. */
  readonly isMended: boolean;
  readonly items: readonly { readonly sent: SentEvent; readonly eventId: string }[];
}

export interface Stored {
  readonly sent: SentEvent;
  readonly place: string;
  readonly session: number;
  readonly isLate: boolean;
  readonly timestampMs: number;
}

const SESSION_GAP_MS = 30 * 60_000;

export function expectedOf(sent: readonly SentEvent[], arrivals: readonly Arrival[]) {
  const stored = new Map<string, Stored>();
  const counted: Stored[] = [];
  const [bad, dead]: [string[], string[]] = [[], []];
  const visitors = new Map<string, { session: number; lastMs: number }>();
  /** Until when each was erased. */
  const erasedUntil = new Map<string, number>();
  const isForgotten = (event: SentEvent, ms: number) =>
    [event.visitor, event.userId].some((id) => id !== undefined && ms <= (erasedUntil.get(id) ?? -Infinity));
  const seen = new Set<string>();
  const voids = new Set(arrivals.flatMap(({ collector, voids: own }) => own.map((number) => `${collector} ${number}`)));
  const ledger = { accepted: 0, redelivered: 0, stored: 0, duplicate: 0, bad: 0, dead: 0, forgotten: 0 };
  /** Erased; and of first copies, those that were given up and came all the same: once sealed as void, they count as redelivered. */
  let [erased, late] = [0, 0];
  for (const { place, collector, number, kind, visitor, receivedAt, isMended, items } of arrivals) {
    const name = `${collector} ${number}`;
    ledger[seen.has(name) ? 'redelivered' : 'accepted'] += items.length;
    if (!seen.has(name) && voids.has(name)) late += items.length;
    seen.add(name);
    const arrivedMs = Date.parse(receivedAt);
    const timeOf = ({ createdAt }: SentEvent) => Math.min(Date.parse(createdAt), arrivedMs);
    const identityOf = ({ sent: event, eventId }: Arrival['items'][number]) =>
      JSON.stringify([event.visitor, event.createdAt, eventId, event.eventType, event.properties]);
    const throws = (item: Arrival['items'][number]) =>
      item.sent.kind === 'poison' && !stored.has(identityOf(item)) && !isForgotten(item.sent, timeOf(item.sent));
    if (kind === 'erase') {
      const lastMs = visitors.get(visitor)?.lastMs ?? 0;
      erasedUntil.set(visitor, Math.max(arrivedMs, lastMs, erasedUntil.get(visitor) ?? 0));
      for (const [identity, { sent: event }] of stored) {
        if (event.visitor !== visitor) continue;
        stored.delete(identity);
        erased += 1;
      }
      visitors.delete(visitor);
    } else if (!isMended && items.some(throws)) {
      // One of them is of somebody who was erased: nothing of the record comes back.
      const isErased = items.some(({ sent: event }) => isForgotten(event, arrivedMs));
      ledger[isErased ? 'forgotten' : 'dead'] += items.length;
      if (!isErased) dead.push(place);
    } else {
      for (const [index, item] of items.entries()) {
        const own = `${place} ${index}`;
        const event = item.sent;
        const identity = identityOf(item);
        const timestampMs = timeOf(event);
        if (event.kind === 'bad') {
          // There is no id in it: it is nobody's.
          bad.push(own);
        } else if (isForgotten(event, timestampMs)) {
          ledger.forgotten += 1;
        } else if (stored.has(identity)) {
          ledger.duplicate += 1;
        } else {
          const before = visitors.get(event.visitor);
          const isNew = before === undefined || timestampMs - before.lastMs > SESSION_GAP_MS;
          const session = (before?.session ?? 0) + (isNew ? 1 : 0);
          const isLate = !isNew && timestampMs < before.lastMs;
          visitors.set(event.visitor, { session, lastMs: isLate ? before.lastMs : timestampMs });
          stored.set(identity, { sent: event, place: own, session, isLate, timestampMs });
          counted.push({ sent: event, place: own, session, isLate, timestampMs });
        }
      }
    }
  }
  ledger.bad = bad.length;
  ledger.stored = counted.length;
  const arrived = new Set(arrivals.flatMap(({ items }) => items.map(({ sent: event }) => event)));
  const lost = sent.filter((event) => event.isAcknowledged && !arrived.has(event)).map(({ mark }) => mark);
  return { stored: [...stored.values()], counted, bad, dead, erased, late, ledger, lost };
}

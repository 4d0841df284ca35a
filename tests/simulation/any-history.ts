import fc from 'fast-check';
import type { Event } from '../../src/core/event.ts';
import type { LaneRecord } from '../../src/log/event-log.ts';
import { anyEvent, anyEventsOfOneVisitor, recordOf, recordOfLines } from '../events.ts';

/**
 * A record of some events; of events that came before, sent again, perhaps by somebody who has logged in since; of none
 * that is valid; of visitors that its header does not say; one that cannot be read; or an erasure.
 */
const anyOf = (kinds: readonly ('bad' | 'dead' | 'erase')[]) =>
  fc.oneof(
    { weight: 6, arbitrary: anyEventsOfOneVisitor.map((events) => ({ events })) },
    { weight: 3, arbitrary: fc.record({ again: fc.nat(11), withUser: fc.boolean() }) },
    { weight: 1, arbitrary: fc.array(anyEvent, { minLength: 2, maxLength: 3 }).map((events) => ({ events })) },
    { weight: 1, arbitrary: fc.constantFrom(...kinds).map((kind) => ({ kind })) },
  );

const historyOf = (kinds: Parameters<typeof anyOf>[0]) =>
  fc.array(anyOf(kinds), { maxLength: 12 }).map((records) => {
    const sent: (readonly Event[])[] = [];
    return records.map((record, number): LaneRecord => {
      const header = { number, ackedThrough: number - 1 };
      // Sequences grow, and are not next to each other.
      const sequence = BigInt(number * 3);
      if ('kind' in record) {
        if (record.kind === 'bad') return { sequence, data: recordOfLines(['{"eventType":1}'], header) };
        if (record.kind === 'dead') return { sequence, data: new Uint8Array([number, 2, 3]) };
        const erasure = { kind: 'erase', source: 'shop', visitor: 'a' } as const;
        return { sequence, data: recordOfLines([], { ...header, ...erasure }) };
      }
      if ('events' in record) {
        sent.push(record.events);
        return { sequence, data: recordOf(record.events, header) };
      }
      const before = sent[record.again % Math.max(1, sent.length)] ?? [];
      const again = before.map((event) => ({ ...event, ...(record.withUser && event.anonymousId && { userId: 'u' }) }));
      return { sequence, data: recordOf(again, header) };
    });
  });

/** Records of one lane. */
export const anyHistory = historyOf(['bad', 'dead', 'erase']);

/** The same, of which nobody is erased. */
export const anyHistoryWithoutErasure = historyOf(['bad', 'dead']);

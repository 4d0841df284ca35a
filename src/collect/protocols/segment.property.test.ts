import fc from 'fast-check';
import { expect, test } from 'vitest';
import { segment } from './segment.ts';

const NAMES = [
  ...['messageId', 'userId', 'anonymousId', 'originalTimestamp', 'timestamp', 'sentAt', 'event', 'type'],
  ...['name', 'category', 'groupId', 'previousId', 'channel', 'version', '__proto__', 'constructor', '_unmapped', 'Ip'],
];
/** Each value is known by the place that it was sent in. */
const members = (place: string) =>
  fc.subarray(NAMES).map((names) => Object.fromEntries(names.map((name) => [name, `${place} ${name}`])));
const event = fc
  .tuple(members('top'), fc.option(members('properties')), fc.option(members('context')), fc.option(members('traits')))
  .map(([top, properties, context, traits]) => ({ ...top, properties, context, traits }));

test('whatever an event says is in what it is mapped to, whatever its type', () => {
  const path = fc.constantFrom('track', 'page', 'screen', 'identify', 'group', 'alias', 't', 'p', 's', 'i', 'g', 'a');
  fc.assert(
    fc.property(path, event, (name, sent) => {
      const body = Buffer.from(JSON.stringify(sent));
      const mapped = segment.map({ method: 'POST', path: `/v1/${name}`, query: '', headers: {}, body, receivedAt: 0 });
      const told = JSON.stringify(mapped);
      for (const [place, value] of Object.entries(sent)) {
        for (const text of typeof value === 'object' && value !== null ? Object.values(value) : [value]) {
          expect(text === null || told.includes(JSON.stringify(text)), `${place}: ${text}`).toBe(true);
        }
      }
    }),
  );
});

import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startCollector, type TestCollector } from '../../tests/collector.ts';
import { truncateAddressesIn } from '../core/address.ts';
import { ERRORS } from '../core/errors.ts';
import { readJson } from '../core/read-json.ts';

let it: TestCollector;
beforeAll(async () => {
  it = await startCollector();
});
afterAll(async () => {
  await it.close();
  expect(it.faults).toEqual([]);
});

const path = fc.constantFrom('track', 'page', 'screen', 'identify', 'group', 'alias', 'batch', 'import');
const encoding = fc.constantFrom('', 'identity', 'gzip', 'deflate', 'br', 'zstd', 'what');

async function expectStable(response: Response): Promise<void> {
  const body = (await response.json()) as { success: boolean; code: keyof typeof ERRORS };
  const receipt = response.headers.get('clickstream-receipt') ?? undefined;
  if (response.status === 200) expect(body).toEqual({ success: true, receipt });
  else expect(response.status).toBe(ERRORS[body.code].status);
  expect(response.status).toBeLessThan(500);
}

test('any bytes are answered 200 or 4xx with a stable code', async () => {
  await fc.assert(
    fc.asyncProperty(path, encoding, fc.uint8Array({ maxLength: 300 }), async (name, contentEncoding, bytes) => {
      const headers = contentEncoding === '' ? {} : { 'content-encoding': contentEncoding };
      await expectStable(await it.post(`/v1/${name}`, Buffer.from(bytes), headers));
    }),
    { numRuns: 200 },
  );
});

const anyId = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('a', 'b', 'c') }, fc.jsonValue({ maxDepth: 1 }));
const anyTime = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('2026-11-23T03:00:00Z', 1_763_870_398_000) },
  fc.jsonValue({ maxDepth: 1 }),
);
const anyObject = fc.oneof(
  { weight: 4, arbitrary: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })) },
  fc.jsonValue(),
);
const anyEvent = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record(
      {
        type: fc.oneof(
          { weight: 6, arbitrary: fc.constantFrom('track', 'page', 'group') },
          fc.jsonValue({ maxDepth: 1 }),
        ),
        event: anyId,
        userId: anyId,
        anonymousId: anyId,
        messageId: anyId,
        timestamp: anyTime,
        originalTimestamp: anyTime,
        sentAt: anyTime,
        properties: anyObject,
        traits: anyObject,
        context: anyObject,
        name: fc.jsonValue({ maxDepth: 1 }),
        groupId: anyId,
      },
      { requiredKeys: [] },
    ),
  },
  { weight: 1, arbitrary: fc.jsonValue() },
);

test('every event of an accepted request is in the records once: mapped in its order, or set aside with its full bytes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyEvent, { maxLength: 12 }), fc.constantFrom('', ' ', '\n\t'), async (events, gap) => {
      it.log.appends.length = 0;
      const texts = events.map((event) => JSON.stringify(event, null, gap));
      const response = await it.post('/v1/batch', `{"batch":[${texts.join(`,${gap}`)}]${gap}}`);
      await expectStable(response);
      expect(response.status).toBe(200);
      expect(it.log.items()).toHaveLength(events.length);
      for (const { header, items } of it.log.records()) expect(header.count).toBe(items.length);
      // What was set aside takes its texts away, in order, with the addresses in them cut; the rest must be the mapped ones.
      const rest = texts.map(truncateAddressesIn);
      let from = 0;
      for (const { raw } of it.log.setAside()) {
        const at = rest.indexOf(String(raw), from);
        expect(at).toBeGreaterThanOrEqual(from);
        rest.splice(at, 1);
        from = at;
      }
      expect(it.log.events()).toHaveLength(rest.length);
    }),
    { numRuns: 300, examples: [[[{ traits: { '': { ip: ':' } } }], '']] },
  );
});

test('an event is mapped without loss: ids, times and properties come out as they went in', async () => {
  const id = fc.string({ minLength: 1, maxLength: 50, unit: 'grapheme' }).filter((text) => !text.includes('\0'));
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          type: fc.constant('track'),
          event: id,
          messageId: id,
          anonymousId: id,
          timestamp: fc
            .date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) })
            .map((date) => date.toISOString()),
          properties: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
        }),
        { maxLength: 8 },
      ),
      async (events) => {
        it.log.appends.length = 0;
        const body = JSON.stringify({ batch: events });
        expect((await it.post('/v1/batch', body)).status).toBe(200);
        const visitors = [...new Set(events.map(({ anonymousId }) => anonymousId))];
        expect(it.log.records().map(({ header }) => header.visitor)).toEqual(visitors);
        const sent = (readJson(body) as { batch: typeof events }).batch;
        const expected = visitors.flatMap((visitor) => sent.filter(({ anonymousId }) => anonymousId === visitor));
        expect(
          it.log.events().map(({ eventType, eventId, anonymousId, createdAt, properties }) => ({
            type: 'track',
            event: eventType,
            messageId: eventId,
            anonymousId,
            timestamp: createdAt,
            properties,
          })),
        ).toEqual(expected);
      },
    ),
    { numRuns: 150 },
  );
});

import { describe, expect, it } from 'vitest';
import { Accept } from '../../src/collect/accept.ts';
import { Numbering } from '../../src/collect/numbering.ts';
import type { Candidate } from '../../src/collect/protocol.ts';
import type { LaneRecord } from '../../src/log/event-log.ts';
import { decodeRecord, encodeRecord, linesIdentities } from '../../src/log/record.ts';
import { answer, processBatch, seal } from '../../src/pipeline.ts';
import type { AuditResult } from '../../src/query/audit.ts';
import type { EventPosition } from '../../src/store/event-store.ts';
import { MemoryEventLog } from './memory-event-log.ts';
import type { StoreSubject } from './store-subject.ts';

const LANE = 'lane-0';
const [TEN, ELEVEN] = ['2026-11-23T10', '2026-11-23T11'];

/** What is counted at the collector and what lies in the store, held against each other: whatever is done in between is named. */
export function describeIndependentEnds(given: () => StoreSubject): void {
  describe('the two ends of the ledger', () => {
    /** Three requests, four records: in the first hour two events, one event, and one that is set aside; then a new one and a duplicate. */
    const accepted = async () => {
      const log = new MemoryEventLog();
      const numbering = new Numbering('c');
      const accept = new Accept({ log, numbering });
      const send = (hour: string, ...events: readonly Candidate[]) =>
        accept.accept(
          { events, original: () => '{"event":""}' },
          { source: 'shop', receivedAt: Date.parse(`${hour}:30:00.000Z`) },
        );
      await send(TEN, seen('ada', 'first'), seen('ada', 'second'));
      await send(TEN, seen('grace', 'third'), { ...seen('linus', 'bad'), eventType: '' });
      await send(ELEVEN, seen('ada', 'fourth'), seen('ada', 'first'));
      return { records: [...(log.lanes.get(LANE) ?? [])], witnessed: numbering.witnessed };
    };
    const play = async ({ change = (records) => records, isSealed = false }: Play = {}) => {
      const { store, reader } = given();
      const { records, witnessed } = await accepted();
      const left = change(records);
      // The log goes on behind whatever became of these.
      if (left.length > 0) await processBatch({ lane: LANE, records: left }, store);
      const atMs = Date.parse(`${ELEVEN}:30:01.000Z`);
      await store.witness({ collector: 'c', ...witnessed, lane: LANE, sequence: left.at(-1)?.sequence ?? 0n, atMs });
      const log = { records: [], findings: [] };
      if (isSealed) {
        for (let pass = 0; pass < 2; pass += 1) await seal({ reader, store, nowMs: atMs, log, blockNumbers: 1 });
      }
    };
    const audit = async ({ deep }: { readonly deep: boolean }) => {
      const { status, body } = await answer(
        { path: '/api/v1/audit', parameters: { deep: String(deep) } },
        {
          reader: given().reader,
          clock: () => 0,
          log: async () => ({ records: [], findings: [] }),
          report: (fault) => {
            throw fault;
          },
        },
      );
      expect(status).toBe(200);
      return JSON.parse(body) as AuditResult;
    };

    it.each([false, true])('agree where nothing was done (sealed: %s)', async (isSealed) => {
      await play({ isSealed });
      expect(await audit({ deep: true })).toMatchObject({
        ...{ balanced: true, problems: [], accepted: 6, stored: 4, duplicate: 1, bad: 1, lost: 0, unwitnessed: 0 },
      });
    });

    const ofRecord = (sequence: number) => ({
      lane: LANE,
      collector: 'c',
      number: sequence,
      sequence: String(sequence),
    });
    const ofHour = (hour: string) => ({ lane: LANE, source: 'shop', hour });
    const inStore: readonly (readonly [string, (subject: StoreSubject) => void, Named, Named])[] = [
      [
        'an event that is gone',
        ({ removeByHand }) => removeByHand(at(0n, 1)),
        [{ kind: 'event_missing', ...ofRecord(0) }],
        [{ kind: 'hour_differs', ...ofHour(TEN) }],
      ],
      [
        'an event that lies there twice',
        ({ doubleByHand }) => doubleByHand(at(0n, 0), at(1n, 1)),
        [
          { kind: 'event_unaccounted', ...ofRecord(1) },
          { kind: 'event_doubled', eventId: 'first' },
        ],
        [
          { kind: 'hour_differs', ...ofHour(TEN) },
          { kind: 'event_doubled', eventId: 'first' },
        ],
      ],
      [
        'an event in another hour',
        ({ moveByHand }) => moveByHand(at(3n, 0), `${TEN}:45:00.000Z`),
        [
          { kind: 'hour_differs', ...ofHour(TEN) },
          { kind: 'hour_differs', ...ofHour(ELEVEN) },
        ],
        [
          { kind: 'hour_differs', ...ofHour(TEN) },
          { kind: 'hour_differs', ...ofHour(ELEVEN) },
        ],
      ],
      [
        'an event that is gone, and another of the hour in its place',
        ({ removeByHand, doubleByHand }) => {
          removeByHand(at(1n, 0));
          doubleByHand(at(0n, 0), at(1n, 1));
        },
        [
          { kind: 'identities_differ', ...ofRecord(1) },
          { kind: 'event_doubled', eventId: 'first' },
        ],
        [
          { kind: 'identities_differ', ...ofHour(TEN) },
          { kind: 'event_doubled', eventId: 'first' },
        ],
      ],
    ];
    it.each(inStore)('name %s', async (_, damage, named) => {
      await play();
      damage(given());
      const { balanced, problems } = await audit({ deep: true });
      expect({ balanced, problems }).toEqual({ balanced: false, problems: theseOnly(named) });
    });
    it.each(inStore)('name %s, also by totals alone', async (_, damage, __, named) => {
      await play({ isSealed: true });
      damage(given());
      const { balanced, problems } = await audit({ deep: true });
      expect({ balanced, problems }).toEqual({ balanced: false, problems: theseOnly(named) });
    });

    const onTheWay: readonly (readonly [string, Required<Play>['change'], Named, Named])[] = [
      [
        'a tail that is lost, and how many events it had',
        (records) => records.slice(0, -1),
        [{ kind: 'records_lost', collector: 'c', number: 3, detail: expect.stringContaining('2 events are missing') }],
        [{ kind: 'records_lost', collector: 'c', number: 3, detail: expect.stringContaining('2 events are missing') }],
      ],
      [
        'a collector of which nothing is left',
        () => [],
        [{ kind: 'records_lost', number: 0, detail: expect.stringMatching('numbers 0 to 3 .* 6 events are missing') }],
        [{ kind: 'records_lost', number: 0, detail: expect.stringMatching('numbers 0 to 3 .* 6 events are missing') }],
      ],
      [
        'a record that another has taken the place of, whole',
        (records) => withLines(records, 1, (line) => line.replace('"third"', '"other"'), { isWhole: true }),
        [{ kind: 'collector_differs', collector: 'c', detail: expect.stringContaining('not the same ones') }],
        [{ kind: 'collector_differs', collector: 'c', detail: expect.stringContaining('not the same ones') }],
      ],
      [
        'a record that says itself that it has fewer events',
        (records) => withLines(records, 0, (line) => (line.includes('"first"') ? '' : line), { isWhole: true }),
        [{ kind: 'collector_differs', detail: expect.stringContaining('6 events, the ledger has 5') }],
        [{ kind: 'collector_differs', detail: expect.stringContaining('6 events, the ledger has 5') }],
      ],
      [
        'a record of which other events come out than were put in',
        (records) => withLines(records, 1, (line) => line.replace('"third"', '"other"'), { isWhole: false }),
        [{ kind: 'identities_differ', ...ofRecord(1) }],
        [{ kind: 'identities_differ', ...ofHour(TEN) }],
      ],
    ];
    it.each(onTheWay)('name %s', async (_, change, named) => {
      await play({ change });
      expect((await audit({ deep: false })).problems).toEqual(theseOnly(named));
    });
    it.each(onTheWay)('name %s, also by totals alone', async (_, change, __, named) => {
      await play({ change, isSealed: true });
      expect((await audit({ deep: false })).problems).toEqual(theseOnly(named));
    });
  });
}

/** The problems that must be told, in any order, and no others. */
type Named = readonly object[];

function theseOnly(named: Named): unknown {
  return expect.toSatisfy((problems: readonly object[]) => {
    expect(problems).toHaveLength(named.length);
    expect(problems).toEqual(expect.arrayContaining(named.map((one) => expect.objectContaining(one))));
    return true;
  });
}

function at(sequence: bigint, index: number): EventPosition {
  return { lane: LANE, sequence, index };
}

/**
 * The records with other lines in one of them, and the checksum that goes with them. `isWhole`: the rest of its header as well, as
 * if another record had been put there.
 */
function withLines(
  records: readonly LaneRecord[],
  place: number,
  change: (line: string) => string,
  { isWhole }: { readonly isWhole: boolean },
): readonly LaneRecord[] {
  return records.map((record, index) => {
    if (index !== place) return record;
    const { header, lines: before } = decodeRecord(record.data);
    const lines = before.map(change).filter((line) => line !== '');
    const own = { count: lines.length, identities: linesIdentities(lines, header.source) };
    return { ...record, data: Buffer.from(encodeRecord({ ...header, ...(isWhole && own) }, lines)) };
  });
}

interface Play {
  /** What becomes of the records on their way. */
  readonly change?: (records: readonly LaneRecord[]) => readonly LaneRecord[];
  /** Whether the ledger has nothing but totals in the end. */
  readonly isSealed?: boolean;
}

function seen(anonymousId: string, eventId: string): Candidate {
  const times = { createdAt: `${TEN}:00:00.000Z`, sentAt: undefined };
  const content = { properties: { path: '/' }, context: {}, traits: {} };
  return { kind: 'candidate', eventId, eventType: 'page', anonymousId, userId: undefined, ...times, ...content };
}

import { Accept } from '../../../src/collect/accept.ts';
import { Numbering } from '../../../src/collect/numbering.ts';
import { segment } from '../../../src/collect/protocols/segment.ts';
import { Redriver } from '../../../src/collect/redrive.ts';
import { NO_IDENTITIES } from '../../../src/core/identities.ts';
import type { Clock } from '../../../src/core/time.ts';
import type { EventLog, LogRecord, RecordPosition } from '../../../src/log/event-log.ts';
import { encodeRecord } from '../../../src/log/record.ts';
import { LEDGER } from '../../../src/process/views/ledger.ts';
import { createErase, type EraseParts } from '../../../src/query/erasures.ts';
import { personOf } from '../../../src/query/person.ts';
import type { EventReader, EventStore, Witness } from '../../../src/store/event-store.ts';
import type { Arrival, SentEvent } from './oracle.ts';

const SOURCE = 'default';

/** The real collector from a request's bytes on, without a socket: protocol, acceptance, numbering, and the log it is given. */
export class SimulatedCollector {
  readonly redriver: Redriver;
  readonly #accept: Accept;
  readonly #numbering: Numbering;
  readonly #log: EventLog;
  readonly #clock: Clock;
  #end: RecordPosition | undefined;

  constructor({ log, name, clock }: { readonly log: EventLog; readonly name: string; readonly clock: Clock }) {
    this.#log = { append: (records) => this.#append(log, records) };
    this.#numbering = new Numbering(name);
    this.#clock = clock;
    this.#accept = new Accept({ log: this.#log, numbering: this.#numbering });
    this.redriver = new Redriver({ log: this.#log, numbering: this.#numbering, clock });
  }

  async take(body: Buffer): Promise<void> {
    const receivedAt = this.#clock();
    const request = { method: 'POST', path: '/v1/batch', query: '', headers: {}, body, receivedAt };
    const mapped = segment.map(request);
    if (mapped.kind !== 'events') throw new Error(`a batch was ${mapped.kind}`);
    await this.#accept.accept(mapped, { source: SOURCE, receivedAt });
  }

  /** One visitor, and nothing that is linked to it: a record like others. */
  async erase(visitor: string): Promise<void> {
    const range = this.#numbering.take(1);
    const { first: number, ackedThrough, voids } = range;
    const receivedAt = new Date(this.#clock()).toISOString();
    const ledger = { collector: this.#numbering.collector, number, count: 0, ackedThrough, voids };
    const data = encodeRecord({ v: 1, kind: 'erase', source: SOURCE, visitor, receivedAt, ...ledger }, []);
    try {
      await this.#log.append([{ partitionKey: `${SOURCE}/${visitor}`, data }]);
    } catch (thrown) {
      this.#numbering.fail(range);
      throw thrown;
    }
    this.#numbering.acknowledge(range, { events: 0, identities: NO_IDENTITIES });
  }

  /** A person, as the API erases one: the id itself, and whatever device is linked to it now. */
  async erasePerson(id: string, reader: EventReader): Promise<void> {
    const find = () => reader.snapshot((reads) => personOf(reads, id, LEDGER.name));
    const append: EraseParts['append'] = (records) => this.redriver.appendAll(records);
    await createErase({ find, append, clock: this.#clock })(id);
  }

  /** What it tells the store of itself: nothing while nothing is acknowledged. */
  async tell(store: Pick<EventStore, 'witness'>): Promise<void> {
    const { collector, witnessed } = this.#numbering;
    if (witnessed.number < 0 || this.#end === undefined) return;
    const witness: Witness = { collector, ...witnessed, ...this.#end, atMs: this.#clock() };
    await store.witness(witness);
  }

  async #append(log: EventLog, records: readonly LogRecord[]): Promise<readonly RecordPosition[]> {
    const positions = await log.append(records);
    for (const position of positions) {
      if (this.#end === undefined || position.sequence > this.#end.sequence) this.#end = position;
    }
    return positions;
  }
}

/** A record of the log as the oracle sees it: read without the product's own code. */
export function arrivalOf(
  { lane, sequence, data }: RecordPosition & { readonly data: Uint8Array },
  { sent, isMended }: { readonly sent: readonly SentEvent[]; readonly isMended: boolean },
): Arrival {
  const [head = '', ...lines] = Buffer.from(data).toString().split('\n');
  const { collector, number, voids, kind, visitor, receivedAt } = JSON.parse(head);
  const items = lines
    .filter((line) => line !== '')
    .map((line) => {
      const item = JSON.parse(line);
      const event = 'raw' in item ? JSON.parse(item.raw) : item;
      const own = sent[event.context.mark];
      if (own === undefined) throw new Error(`the log has an event that nobody sent: ${line}`);
      return { sent: own, eventId: String(event.eventId) };
    });
  return { place: `${lane} ${sequence}`, collector, number, voids, kind, visitor, receivedAt, isMended, items };
}

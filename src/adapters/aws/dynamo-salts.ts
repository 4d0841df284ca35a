import { randomBytes } from 'node:crypto';
import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import { type Salts, saltDays } from '../../core/salts.ts';
import type { Clock } from '../../core/time.ts';
import { type Condition, DynamoTable, type TableClient } from './dynamo-client.ts';
import { saltItem, saltKey, saltOf, text } from './items.ts';

export interface DynamoSaltsOptions {
  readonly client: TableClient;
  /** That of states: the one of events has a stream, which others read. */
  readonly table: string;
  readonly clock: Clock;
  /** Told why a salt cannot be had. */
  readonly report: (fault: unknown) => void;
}

/**
 * Salts in two items of the table of states, which take turns: the salt of a day is put over that of two days before, so that
 * old ones are gone with the first use of the new day, and by their expiry where there is none. One of after tomorrow gives way too.
 */
export class DynamoSalts implements Salts {
  readonly #table: DynamoTable;
  readonly #options: DynamoSaltsOptions;
  /** By day: what was read, or is being read. */
  readonly #read = new Map<string, Promise<Uint8Array>>();

  constructor(options: DynamoSaltsOptions) {
    this.#table = new DynamoTable(options.client, options.table);
    this.#options = options;
  }

  async of(day: string): Promise<Uint8Array> {
    const { today, yesterday } = saltDays(this.#options.clock());
    if (day !== today && day !== yesterday) throw new ClickstreamError('salt_unavailable');
    for (const known of this.#read.keys()) if (known < yesterday) this.#read.delete(known);
    let reading = this.#read.get(day);
    if (reading === undefined) {
      reading = this.#inTime(this.#take(day));
      this.#read.set(day, reading);
      // The next who asks tries anew.
      reading.catch(() => this.#read.delete(day));
    }
    return reading;
  }

  /** Reads the salt of a day; where it is not there, puts one, and takes what another collector was first to put. */
  async #take(day: string): Promise<Uint8Array> {
    const there = saltOf(await this.#table.get(saltKey(day)), day);
    if (there !== undefined) return there;
    const made = randomBytes(LIMITS.saltBytes);
    const { tomorrow } = saltDays(this.#options.clock());
    const put = await this.#table.put(saltItem(day, made), overOther(day, tomorrow));
    const salt = put.kind === 'put' ? made : saltOf(put.found, day);
    if (salt === undefined)
      throw new Error(`a later salt than that of ${day} is there: a clock is ahead, or this one behind`);
    return salt;
  }

  async #inTime(reading: Promise<Uint8Array>): Promise<Uint8Array> {
    const { saltMsMax } = LIMITS;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${saltMsMax} ms`)), saltMsMax);
    });
    try {
      return await Promise.race([reading, late]);
    } catch (cause) {
      this.#options.report(cause);
      // Senders are not told what AWS says: it names accounts and resources.
      throw new ClickstreamError('salt_unavailable', undefined, { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}

/** One of before, or of a clock that was far ahead: it would stay for as long as that clock was, and refuse everybody. */
function overOther(day: string, tomorrow: string): Condition {
  return {
    expression: 'attribute_not_exists(pk) OR #day < :day OR #day > :tomorrow',
    names: { '#day': 'day' },
    values: { ':day': text(day), ':tomorrow': text(tomorrow) },
  };
}

import { findsEach } from './dynamo-planted.ts';
import type { Plant } from './planted.ts';

const SEALING = 'src/adapters/aws/dynamo-sealing.ts';
const READING = 'src/query/ledger-reading.ts';

const PLANTS: readonly Plant[] = [
  {
    fault: 'totals put without compare-and-set',
    file: SEALING,
    line: 'const put = await table.put(item, unchanged(before));',
    planted: "void unchanged;\n  const put = await table.put(item, { expression: 'attribute_not_exists(nothing)' });",
  },
  {
    fault: 'a row taken away whatever it is by now',
    file: SEALING,
    line: "await table.deleteIf(place, { name: 'sequence', value: mark });",
    planted: 'void mark;\n    await table.deleteAll([place]);',
  },
  {
    fault: 'rows taken away when the totals were not put',
    file: SEALING,
    line: '    await table.deleteAll(partKeys(item));\n    return false;',
    planted: '    await table.deleteAll(partKeys(item));',
  },
  {
    fault: 'what the totals hold is counted once more',
    file: READING,
    line: 'else if (!isSealed(this.#sealed, place)) yield',
    planted: 'else yield',
  },
  {
    fault: 'a copy that came after the totals is taken for one of them',
    file: 'src/query/sealed.ts',
    line: 'number > known.through || sequence > (lanes.get(lane) ?? -1n)) return false;',
    planted: 'number > known.through || (sequence < 0n && lanes.has(lane))) return false;',
  },
  {
    fault: 'lanes that are behind are not waited for',
    file: READING,
    line: 'return this.#passedAtMs !== undefined && atMs + LIMITS.ledgerClockMsMax <= this.#passedAtMs;',
    planted: 'return this.#passedAtMs !== undefined || atMs > LIMITS.ledgerClockMsMax;',
  },
  {
    fault: 'rows taken for done that were read after their lane',
    file: READING,
    line: 'return sequence <= (this.#lanes.get(lane)?.done ?? -1n);',
    planted: 'return sequence <= (this.#lanes.get(lane)?.done ?? -1n) || this.#lanes.has(lane);',
  },
  {
    fault: 'a second copy of what is sealed is held against what its collector counted',
    file: READING,
    line: 'else if (!this.#seen.has(number)) this.#seen.set(number, NOTHING);',
    planted: 'else if (identities !== undefined) this.#seen.set(number, { events, identities });',
  },
  {
    fault: 'an audit goes on though the ledger was sealed while it read',
    file: 'src/query/auditing.ts',
    line: 'if ((await reads.sealed())?.revision !== before?.revision) return undefined;',
    planted: '',
  },
];

findsEach(PLANTS, { histories: 300, options: ['--sealing'] });

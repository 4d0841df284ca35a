import type { Plant } from '../planted.ts';
import type { Home } from './history.ts';

/** A bug that the simulator must find, and what holds it off where our protocol is another than the one of the table. */
export interface Tooth extends Plant {
  readonly home: Home;
}

const DECIDE = 'src/process/decide.ts';
const ITEMS = 'src/adapters/aws/items.ts';
const STORE = 'src/adapters/aws/dynamo-event-store.ts';
const ROWS = 'src/adapters/aws/dynamo-rows.ts';
const CLIENT = 'src/adapters/aws/dynamo-client.ts';
const STREAM = 'src/adapters/aws/kinesis-event-log.ts';
const NUMBERING = 'src/collect/numbering.ts';
const ALWAYS = "{ expression: 'attribute_not_exists(nothing)' }";

const OF_BOTH: readonly Plant[] = [
  {
    fault: 'erasure as a plain delete: nothing remembers it',
    file: 'src/process/erasures.ts',
    line: "until !== undefined && until !== '' && timeMs <= Date.parse(until)",
    planted: "until === 'never'",
  },
  {
    fault: "an erased user's events by another device come back",
    file: 'src/process/erasures.ts',
    line: 'const ids = userId === undefined || userId === visitor ? [visitor] : [visitor, userId];',
    planted: 'const ids = [visitor];\n    void userId;',
  },
];

const OF_AWS: readonly Plant[] = [
  ...OF_BOTH,
  {
    fault: "an erased user's events come back within a dead record",
    file: 'src/process/decide.ts',
    line: 'idsIn: () => personsIn(data, header) }',
    planted: 'idsIn: () => (personsIn(data, header), new Set<string>()) }',
  },
  {
    fault: 'acknowledging before the stream has answered',
    file: STREAM,
    line: '    const outcomes = await this.#put(group);\n',
    planted:
      "    for (const { append } of group) append.resolve([{ lane: 'none', sequence: -1n }]);\n    const outcomes = await this.#put(group);\n",
  },
  {
    fault: 'acknowledging with the first record of a request',
    file: STREAM,
    line: '    if (append.unacknowledged === 0) append.resolve(append.positions);\n',
    planted: '    append.resolve(append.positions.filter((own) => own !== undefined));\n',
  },
  {
    fault: 'position without the index',
    file: DECIDE,
    line: 'return a.sequence === b.sequence && a.index === b.index && a.lane === b.lane;',
    planted: 'return a.sequence === b.sequence && a.lane === b.lane;',
  },
  {
    fault: 'visitor keyed by who, not by partition key',
    file: 'src/core/event.ts',
    line: "return anonymousId ?? userId ?? '';",
    planted: "return userId ?? anonymousId ?? '';",
  },
  {
    fault: 'no dry run: what a record put before it threw stays, not counted',
    file: DECIDE,
    line: '        poisoned.set(record.sequence, String(thrown));\n        return false;\n',
    planted:
      "        this.#setAside({ ...record, kind: 'poison', detail: String(thrown) });\n        poisoned.set(record.sequence, '');\n",
  },
  {
    fault: 'redrive under the old number',
    file: 'src/collect/redrive.ts',
    line: '{ v: 1, kind, source, visitor, receivedAt, collector, number, count, ackedThrough, voids, identities }',
    planted:
      '{ v: 1, kind, source, visitor, receivedAt, collector: header.collector, number: header.number, count, ackedThrough: header.ackedThrough, voids: header.voids, identities }',
  },
  {
    fault: 'bad key without the index',
    file: 'src/adapters/aws/bad-items.ts',
    line: "return keyOf(sequenceText(sequence), String(index).padStart(6, '0'));",
    planted: "void index;\n  return keyOf(sequenceText(sequence), '000000');",
  },
  {
    fault: 'fingerprint not in the key',
    file: ITEMS,
    line: 'sk: keyOf(timeKey(createdAt), eventId, fingerprint) };',
    planted: "sk: keyOf(timeKey(createdAt), eventId, fingerprint === '' ? '' : '') };",
  },
  {
    fault: 'clock clamped in the identity',
    file: 'src/collect/accept.ts',
    line: '  const createdAt = event.createdAt === undefined ? arrival.receivedAt : canonicalTime(event.createdAt);\n',
    planted:
      '  const given = event.createdAt === undefined ? arrival.receivedAt : canonicalTime(event.createdAt);\n  const createdAt = given !== undefined && given > arrival.receivedAt ? arrival.receivedAt : given;\n',
  },
  {
    fault: 'erasure that leaves what is known of the visitor',
    file: 'src/adapters/aws/dynamo-erasures.ts',
    line: '    await this.#empty(place, { state, sequence });\n    await this.#unlink(erase);\n',
    planted: '    await this.#unlink(erase);\n',
  },
  {
    fault: 'erasure that deletes, and hides nothing',
    file: 'src/adapters/aws/dynamo-event-store.ts',
    line: '    for (const erase of decision.erase) gone += await this.#erasures.hide(lane, erase, this.#clock());\n',
    planted:
      '    await this.#erasures.delete(decision.erase.map((erase) => ({ ...erase, lane, dueAtMs: 0, visitors: 0 })));\n',
  },
  {
    fault: 'erasure that deletes at once',
    file: STORE,
    line: 'options.erasureDelayMs ?? LIMITS.erasureDelayMs;',
    planted: 'options.erasureDelayMs ?? 0;',
  },
  {
    fault: 'no lane row: what the lane has done is not known',
    file: DECIDE,
    line: 'batch.records.filter(({ sequence }) => sequence > base.done)',
    planted: 'batch.records',
  },
  {
    fault: 'done set to the end of the batch on partial success',
    file: 'src/main/process-handler.ts',
    line: '    if (done > this.#done) this.#done = done;\n',
    planted: '    if (done > this.#done) this.#done = this.#batch.records.at(-1)?.sequence ?? done;\n',
  },
  {
    fault: 'failure reported one record late',
    file: 'src/adapters/aws/kinesis-records.ts',
    line: 'const first = records.find(({ sequence }) => sequence > done);',
    planted: 'const first = records.filter(({ sequence }) => sequence > done)[1];',
  },
  {
    fault: 'row key without the lane',
    file: ITEMS,
    line: '  return keyOf(bucket, lane);\n',
    planted: "  return keyOf(bucket, lane === '' ? lane : 'lane');\n",
  },
  {
    fault: 'a row takes again what it holds',
    file: ROWS,
    line: 'parts.filter(({ sequence }) => sequence > holds)',
    planted: 'parts.filter(({ sequence }) => sequence > holds || holds > 0n)',
  },
  {
    fault: 'visitor goes on after a refused put',
    file: STORE,
    line: 'for (const [key, found] of await this.#find(rest.map(({ identity }) => identity))) known.set(key, found);\n        return;',
    planted: 'void rest;',
  },
  {
    fault: 'visitor written without compare-and-set',
    file: 'src/adapters/aws/dynamo-visitors.ts',
    line: 'const result = await this.#state.put(item, condition);\n    if (result.kind',
    planted: `void condition;\n    const result = await this.#state.put(item, ${ALWAYS});\n    if (result.kind`,
  },
  {
    fault: 'row written without compare-and-set',
    file: ROWS,
    line: 'const put = await this.#table.put(item, unchanged(found));',
    planted: `void unchanged;\n      const put = await this.#table.put(item, ${ALWAYS});`,
  },
  {
    fault: 'lane written without compare-and-set',
    file: 'src/adapters/aws/dynamo-lanes.ts',
    line: 'const result = await this.#state.put(laneItem(after), condition);',
    planted: `void condition;\n    const result = await this.#state.put(laneItem(after), ${ALWAYS});`,
  },
  {
    fault: 'eventually consistent read of visitors',
    file: CLIENT,
    line: '{ RequestItems: { [this.name]: { Keys: asked, ConsistentRead: true } } }',
    planted: '{ RequestItems: { [this.name]: { Keys: asked } } }',
  },
  {
    fault: 'unprocessed key taken as absent',
    file: CLIENT,
    line: 'const unprocessed = UnprocessedKeys?.[this.name]?.Keys ?? [];',
    planted: 'void UnprocessedKeys;\n      const unprocessed: Item[] = [];',
  },
  {
    fault: 'ledger: ackedThrough that says more than was acknowledged',
    file: NUMBERING,
    line: 'return { first, count, ackedThrough: this.#settledThrough, voids };',
    planted: 'return { first, count, ackedThrough: first - 1, voids };',
  },
  {
    fault: 'ledger: no arrival rule',
    file: 'src/query/ledger-reading.ts',
    line: 'return this.#isAlone || this.#hasPassed(arrivedAtMs);',
    planted: 'return this.#isAlone || this.#hasPassed(arrivedAtMs) || arrivedAtMs > 0;',
  },
  {
    fault: 'ledger: voids not repeated',
    file: NUMBERING,
    line: '    this.#voids = withRun(this.#voids, { first, last });\n',
    planted: '    this.#voids = [{ first, last }];\n',
  },
  {
    fault: 'journal items dropped before the lane forgets them',
    file: STORE,
    line: '    const { unread, faults } = await this.#rows.fold(lane, before.journal);\n',
    planted:
      '    await this.#rows.drop(lane, before.journal);\n    const { unread, faults } = await this.#rows.fold(lane, before.journal);\n',
  },
  {
    fault: 'events of visitors that are past the batch not looked for',
    file: STORE,
    line: 'if (!this.#expectsDuplicates && ![...visitors.values()].some(({ sequence }) => sequence > done)) return new Map();',
    planted: 'if (!this.#expectsDuplicates) return new Map();',
  },
  {
    fault: 'visitors written after the lane',
    file: STORE,
    line: '    await atOnce(decision.visitors, LIMITS.dynamoPutsAtOnce, (put) => this.#visitors.put(put));\n',
    planted:
      '    setTimeout(() => void atOnce(decision.visitors, LIMITS.dynamoPutsAtOnce, (put) => this.#visitors.put(put)).catch(() => 0));\n',
  },
  {
    fault: 'what an earlier try has stored is a duplicate',
    file: DECIDE,
    line: 'if (known !== undefined && !isSame(known.position, position)) {',
    planted: 'if (known !== undefined) {',
  },
  {
    fault: 'what a half-done try set aside is counted as stored',
    file: DECIDE,
    line: "        throw new Error('an earlier try set this record aside and left its batch half done');\n",
    planted: '        return;\n',
  },
];

const OF_ONE_MACHINE: readonly Plant[] = [
  ...OF_BOTH,
  {
    fault: 'acknowledging before the sync',
    file: 'src/adapters/embedded/event-log.ts',
    line: '        await this.#writer.write(group.encoder);\n',
    planted:
      '        for (const { count, resolve } of group.appends)\n          resolve(Array.from({ length: count }, () => ({ lane: EMBEDDED_LANE, sequence: this.#writer.sequence + 1n })));\n        await this.#writer.write(group.encoder);\n',
  },
  {
    fault: 'a duplicate that the store finds not told to the core',
    file: 'src/adapters/embedded/event-store.ts',
    line: "    if (known.size > 0) return { kind: 'contradicted', known };\n",
    planted: '',
  },
  {
    fault: 'segments deleted before they are processed',
    file: 'src/adapters/embedded/segment-writer.ts',
    line: 'next.firstSequence - 1n > through || ',
    planted: '',
  },
  {
    fault: 'late rows not counted anew',
    file: 'src/adapters/embedded/late-rows.ts',
    line: '    if (this.#isLevel) return;\n',
    planted: '    this.#isLevel = true;\n    if (this.#isLevel) return;\n',
  },
];

export const TEETH: readonly Tooth[] = [
  ...OF_AWS.map((plant) => ({ ...plant, home: 'aws' as const })),
  ...OF_ONE_MACHINE.map((plant) => ({ ...plant, home: 'embedded' as const })),
];

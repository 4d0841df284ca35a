import { findsEach } from './dynamo-planted.ts';
import type { Plant } from './planted.ts';

const STORE = 'src/adapters/aws/dynamo-event-store.ts';

const PLANTS: readonly Plant[] = [
  {
    fault: 'unprocessed keys taken as absent',
    file: 'src/adapters/aws/dynamo-client.ts',
    line: 'const unprocessed = UnprocessedKeys?.[this.name]?.Keys ?? [];',
    planted: 'void UnprocessedKeys;\n      const unprocessed: Item[] = [];',
  },
  {
    fault: 'the lane written without compare-and-set',
    file: 'src/adapters/aws/dynamo-lanes.ts',
    line: 'const result = await this.#state.put(laneItem(after), condition);',
    planted:
      "void condition;\n    const result = await this.#state.put(laneItem(after), { expression: 'attribute_not_exists(nothing)' });",
  },
  {
    fault: 'a visitor written without compare-and-set',
    file: STORE,
    line: 'const result = await this.#state.put(item, condition);\n    if (result.kind',
    planted:
      "void condition;\n    const result = await this.#state.put(item, { expression: 'attribute_not_exists(nothing)' });\n    if (result.kind",
  },
  {
    fault: 'position without the index',
    file: 'src/process/decide.ts',
    line: 'return a.sequence === b.sequence && a.index === b.index && a.lane === b.lane;',
    planted: 'return a.sequence === b.sequence && a.lane === b.lane;',
  },
  {
    fault: 'a visitor goes on after a refused put',
    file: STORE,
    line: 'for (const [key, found] of await this.#find(rest.map(({ identity }) => identity))) known.set(key, found);\n        return;',
    planted: 'void rest;',
  },
  {
    fault: 'what an earlier try has stored is a duplicate',
    file: 'src/process/decide.ts',
    line: 'if (known !== undefined && !isSame(known.position, position)) {',
    planted: 'if (known !== undefined) {',
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
    line: '    await atOnce(decision.visitors, LIMITS.dynamoPutsAtOnce, (put) => this.#putVisitor(put));\n',
    planted:
      '    setTimeout(() => void atOnce(decision.visitors, LIMITS.dynamoPutsAtOnce, (put) => this.#putVisitor(put)).catch(() => 0));\n',
  },
  {
    fault: 'a row takes a journal item again',
    file: 'src/adapters/aws/dynamo-rows.ts',
    line: 'parts.filter(({ sequence }) => sequence > holds)',
    planted: 'parts.filter(({ sequence }) => sequence > holds || holds > 0n)',
  },
  {
    fault: 'journal items dropped before the lane forgets them',
    file: STORE,
    line: '    const { unread, faults } = await this.#rows.fold(lane, before.journal);\n',
    planted:
      '    await this.#rows.drop(lane, before.journal);\n    const { unread, faults } = await this.#rows.fold(lane, before.journal);\n',
  },
];

findsEach(PLANTS, { histories: 4_000 });

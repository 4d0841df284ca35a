import { findsEach } from './dynamo-planted.ts';
import type { Plant } from './planted.ts';

const REBUILD = 'src/adapters/aws/dynamo-rebuild.ts';
const GENERATIONS = 'src/core/generations.ts';

const PLANTS: readonly Plant[] = [
  {
    fault: 'a lane not put before its first batch',
    file: 'src/adapters/aws/dynamo-lanes.ts',
    line: "    await this.#state.put(laneItem(begun), { expression: 'attribute_not_exists(pk)' });\n",
    planted: '    return { ...begun, revision: undefined as never };\n',
  },
  {
    fault: 'a rebuild without a cut',
    file: REBUILD,
    line: 'return sequence <= (cuts.get(lane) ?? -1n) && !hidden.hides(item);',
    planted: 'return sequence >= 0n && cuts.has(lane) && !hidden.hides(item);',
  },
  {
    fault: 'readers see what is folded so far',
    file: GENERATIONS,
    line: 'read.push({ version, isWhole: false });',
    planted: 'read.push({ version, isWhole: true });',
  },
  {
    fault: 'readers do not see what came since',
    file: GENERATIONS,
    line: 'read.push({ version, isWhole: false });',
    planted: 'void read;',
  },
  {
    fault: 'readers switch before all is folded',
    file: REBUILD,
    line: 'finishedAtMs: isScanned ? clock() : undefined };',
    planted: 'finishedAtMs: isScanned || pending !== undefined ? clock() : undefined };',
  },
  {
    fault: 'pages fixed without compare-and-set',
    file: REBUILD,
    line: "expression: '#revision = :revision',",
    planted: "expression: '#revision >= :revision OR #revision < :revision',",
  },
];

findsEach(PLANTS, { histories: 300, options: ['--rebuilding'] });

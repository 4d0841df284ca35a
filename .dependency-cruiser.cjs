/** Direction: core ← stages ← adapters ← main. tests/architecture.test.ts runs it, and plants a fault to see it caught. */
const stages = 'collect|log|process|store|query';
const enrichLibraries = ['isbot', 'ua-parser-js'];
const schemaLibraries = ['ajv', 'ajv-formats'];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'core-is-pure',
      comment: 'Core imports core only, and nothing of Node.',
      severity: 'error',
      from: { path: '^src/core/', pathNot: '\\.test\\.ts$' },
      to: { pathNot: '^src/core/' },
    },
    {
      name: 'stages-know-core-and-ports',
      comment:
        'A stage imports its own room, core, and the ports of log and store and the codecs of records and receipts.',
      severity: 'error',
      from: { path: `^src/(${stages})/`, pathNot: '\\.test\\.ts$' },
      to: {
        path: '^(src|tests)/',
        pathNot: [
          '^src/$1/',
          '^src/core/',
          '^src/log/(archive|event-log|receipt|record)\\.ts$',
          '^src/store/event-store\\.ts$',
        ],
      },
    },
    {
      name: 'stages-use-no-driver',
      comment: 'Files, sockets to elsewhere, databases and SDKs belong to adapters.',
      severity: 'error',
      from: { path: `^src/(${stages})/`, pathNot: '\\.test\\.ts$' },
      to: {
        path: ['^(node:)?(fs|fs/promises|sqlite|worker_threads|child_process|net)$', 'node_modules'],
        pathNot: `node_modules/(${[...enrichLibraries, ...schemaLibraries].join('|')})/`,
      },
    },
    {
      name: 'user-agents-in-enrichment-only',
      comment: 'docs/decisions/0009-enrichment-libraries.md',
      severity: 'error',
      from: { path: `^src/(${stages})/`, pathNot: ['^src/process/enrich/', '\\.test\\.ts$'] },
      to: { path: `node_modules/(${enrichLibraries.join('|')})/` },
    },
    {
      name: 'json-schema-in-schemas-only',
      comment: 'docs/decisions/0010-json-schema.md',
      severity: 'error',
      from: { path: `^src/(${stages})/`, pathNot: ['^src/process/schemas', '\\.test\\.ts$'] },
      to: { path: `node_modules/(${schemaLibraries.join('|')})/` },
    },
    {
      name: 'adapters-know-ports',
      severity: 'error',
      from: { path: '^src/adapters/([^/]+)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^(src|tests)/', pathNot: ['^src/adapters/$1/', '^src/core/', '^src/log/', '^src/store/'] },
    },
    {
      name: 'driver-in-embedded-only',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/adapters/embedded/', '\\.test\\.ts$'] },
      to: { path: '^(node:)?sqlite$' },
    },
    {
      name: 'sdk-in-aws-only',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/adapters/aws/', '\\.test\\.ts$'] },
      to: { path: 'node_modules/(@aws-sdk|@smithy)/' },
    },
    {
      name: 'pipeline-knows-stages',
      severity: 'error',
      from: { path: '^src/(measures|pipeline)\\.ts$' },
      to: { path: '^src/(adapters|main)/' },
    },
    {
      name: 'nobody-imports-main',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/main/' },
      to: { path: '^src/main/' },
    },
    {
      name: 'commands-load-the-server-late',
      comment: 'A command that asks a server starts in half the time without most of the program.',
      severity: 'error',
      from: { path: '^src/main/(commands|load|prove|replay)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/(adapters/|pipeline\\.ts$|main/(local|steps)\\.ts$)', dynamic: false },
    },
    {
      name: 'web-knows-core-alone',
      comment: 'The dashboard speaks to the program by HTTP.',
      severity: 'error',
      from: { path: '^web/src/' },
      to: { path: '^(src|tests|bench|infra|tracker)/', pathNot: '^src/core/' },
    },
    {
      name: 'web-takes-types-of-core',
      severity: 'error',
      from: { path: '^web/src/' },
      to: { path: '^src/core/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'tracker-stands-alone',
      comment: 'It runs in pages and programs of others: no package, and nothing of the server.',
      severity: 'error',
      from: { path: '^tracker/src/', pathNot: '\\.test\\.ts$' },
      to: { pathNot: ['^tracker/src/', '^(node:)?(crypto|timers/promises)$'] },
    },
    {
      name: 'browser-tracker-without-node',
      severity: 'error',
      from: { path: '^tracker/src/', pathNot: '(\\.test|/node)\\.ts$' },
      to: { pathNot: '^tracker/src/' },
    },
    {
      name: 'no-tests-in-src',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.test\\.ts$' },
      to: { path: ['^tests/', '^bench/', '\\.test\\.ts$'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    // Packages are seen, or no rule about them would hold anything; what they import is not.
    doNotFollow: { path: 'node_modules' },
  },
};

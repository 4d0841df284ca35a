import { defineConfig } from 'vitest/config';

/** They plant faults in copies of the source, and play histories until each is found: minutes, so they are no part of `npm test`. */
const FAULTS = [
  'tests/simulation/{planted,dynamo-*}-faults.test.ts',
  'tests/simulation/**/teeth.test.ts',
  'tests/end-to-end/prove.test.ts',
];

/** Many histories, or many processes one after the other: minutes as well. */
const SLOW = [
  'tests/simulation/{dynamo-{protocol,rebuilding,sealing},bad-replay,recount}.property.test.ts',
  'tests/homes/commands.test.ts',
];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    // On two cores it would take one.
    maxWorkers: 2,
    globalSetup: ['tests/build-tracker.ts', 'tests/build-web.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'tests',
          include: ['src/**/*.test.ts', 'tracker/src/**/*.test.ts', 'web/src/**/*.test.ts', 'tests/**/*.test.ts'],
          exclude: [...FAULTS, ...SLOW],
        },
      },
      { extends: true, test: { name: 'faults', include: FAULTS } },
      { extends: true, test: { name: 'slow', include: SLOW } },
    ],
  },
});

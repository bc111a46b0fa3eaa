import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** Everything outside src/ imports the package by its name, as users do; the tests run it on the sources. */
const alias = { warren: fileURLToPath(new URL('./src/index.ts', import.meta.url)) }

/**
 * Four kinds of tests. `unit` touches nothing outside the process. `promises` are named after what the README promises
 * and run on one real cluster and store, started for the run; `console` looks at that one with a browser. `cluster` starts
 * and stops clusters of its own.
 *
 * Those on a cluster run one file after the other: some break nodes, and two cores carry three of them.
 */
export default defineConfig({
  test: {
    reporters: ['default', './test/support/closingLine.ts'],
    projects: [
      {
        resolve: { alias },
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000, sequence: { groupOrder: 0 } },
      },
      {
        resolve: { alias },
        test: {
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'promises',
          include: ['test/promises/**/*.test.ts'],
          globalSetup: ['test/support/globalSetup.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'console',
          include: ['test/console/**/*.test.ts'],
          globalSetup: ['test/support/globalSetup.ts'],
          fileParallelism: false,
          testTimeout: 90_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})

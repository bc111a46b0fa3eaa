import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** Examples import the package by its name, as its users do; the tests run them on the sources. */
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
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000, sequence: { groupOrder: 0 } } },
      {
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

import { fileURLToPath } from 'node:url'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

/** Everything outside src/ imports the package by its name, as users do; the tests run it on the sources. */
const alias = { warren: fileURLToPath(new URL('./src/index.ts', import.meta.url)) }

/** Groups run one after the other, in this order; projects of one group together. */
const groups = ['quick', 'promises', 'faults', 'console'] as const

interface Kind {
  readonly group: (typeof groups)[number]
  /** How many files run at the same time. Default: as many as there are cores. */
  readonly workers?: number
  readonly timeoutMs: number
  /** On the cluster that `globalSetup.ts` starts once for all. */
  readonly onSharedCluster?: boolean
}

function project(name: string, kind: Kind): TestProjectInlineConfiguration {
  const { group, workers, timeoutMs, onSharedCluster = false } = kind
  return {
    resolve: { alias },
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: timeoutMs,
      hookTimeout: 120_000,
      sequence: { groupOrder: groups.indexOf(group) },
      ...(workers === undefined ? {} : { maxWorkers: workers }),
      ...(onSharedCluster
        ? { globalSetup: ['test/support/globalSetup.ts'], setupFiles: ['test/support/started.ts'] }
        : {}),
    },
  }
}

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closingLine.ts'],
    projects: [
      // Nothing outside the process: modules, and the tools that look at the whole repository.
      project('unit', { group: 'quick', timeoutMs: 60_000, workers: 4 }),
      project('static', { group: 'quick', timeoutMs: 120_000, workers: 4 }),
      // Clusters of their own, started and stopped: they mostly wait, and the quick ones run meanwhile.
      project('cluster', { group: 'quick', timeoutMs: 120_000, workers: 4 }),
      // What the README promises, each file in a virtual host of its own on the shared cluster.
      project('promises', { group: 'promises', timeoutMs: 60_000, workers: 3, onSharedCluster: true }),
      // Those that kill, freeze or scale what the others stand on.
      project('faults', { group: 'faults', timeoutMs: 60_000, workers: 1, onSharedCluster: true }),
      // The console's page, in a browser.
      project('console', { group: 'console', timeoutMs: 90_000, workers: 1, onSharedCluster: true }),
    ],
  },
})

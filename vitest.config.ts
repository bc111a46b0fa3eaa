import { fileURLToPath } from 'node:url'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Everything outside src/ imports the package by its name, as users do; the tests run it on the sources. */
const alias = {
  // Before its package, whose name it begins with.
  'warren/testing': source('./src/testing/index.ts'),
  warren: source('./src/index.ts'),
  '@warren/outbox': source('./packages/outbox/src/index.ts'),
  '@warren/nestjs': source('./packages/nestjs/src/index.ts'),
}

/** Groups run one after the other, in this order; projects of one group together. */
const groups = ['quick', 'promises', 'faults', 'console'] as const

interface Kind {
  readonly group: (typeof groups)[number]
  /** How many files run at the same time. Default: as many as there are cores. */
  readonly workers?: number
  readonly timeoutMs: number
  /** Where its files are. Default: the folder of its name. */
  readonly include?: string | readonly string[]
  /** Whether each file loads its modules anew, which costs more than most unit tests do. Default true. */
  readonly isolate?: boolean
  /** On the cluster that `globalSetup.ts` starts once for all. */
  readonly onSharedCluster?: boolean
}

function project(name: string, kind: Kind): TestProjectInlineConfiguration {
  const {
    group,
    workers,
    timeoutMs,
    include = `test/${name}/**/*.test.ts`,
    isolate = true,
    onSharedCluster = false,
  } = kind
  return {
    resolve: { alias },
    test: {
      name,
      include: [include].flat(),
      testTimeout: timeoutMs,
      hookTimeout: 120_000,
      // On a busy machine three nodes at times take longer than a test waits. A test that fails twice is a failure; one that
      // passes the second time is named at the end of the run.
      retry: onSharedCluster ? 1 : 0,
      isolate,
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
    // A whole cluster is stopped after Ctrl-C, too.
    teardownTimeout: 60_000,
    reporters: ['default', './test/support/closingLine.ts'],
    projects: [
      // Nothing outside the process: modules, and the tools that look at the whole repository.
      project('unit', {
        ...{ group: 'quick', timeoutMs: 60_000, workers: 4, isolate: false },
        // Those in examples/web need packages of the documentation's: `npm run docs` runs them.
        include: ['test/unit/**/*.test.ts', 'examples/*.test.ts', 'examples/{how-to,tutorial}/*.test.ts'],
      }),
      // amqplib replaced by a fake broker, which needs modules of their own.
      project('fakeBroker', { group: 'quick', timeoutMs: 60_000, workers: 4 }),
      project('static', { group: 'quick', timeoutMs: 120_000, workers: 4 }),
      // Clusters of their own, started and stopped: they mostly wait, and the quick ones run meanwhile.
      project('cluster', { group: 'quick', timeoutMs: 120_000, workers: 4 }),
      // What the README promises, each file in a virtual host of its own on the shared cluster.
      project('promises', { group: 'promises', timeoutMs: 60_000, workers: 4, onSharedCluster: true }),
      // The packages beside the library, each with its tests.
      project('packages', {
        ...{ group: 'promises', timeoutMs: 60_000, workers: 4, onSharedCluster: true },
        include: 'packages/*/test/**/*.test.ts',
      }),
      // Those that kill, freeze or scale what the others stand on.
      project('faults', { group: 'faults', timeoutMs: 60_000, workers: 1, onSharedCluster: true }),
      // The console's page, in a browser.
      project('console', { group: 'console', timeoutMs: 90_000, workers: 1, onSharedCluster: true }),
    ],
  },
})

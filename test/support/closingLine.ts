/**
 * A vitest reporter that ends a run with one plain line, `N passed, N failed`, for tools that read nothing else. It
 * belongs last in the list of reporters. A test that passed only when it was repeated is named before that line. A test
 * file that could not be loaded, a failed hook and an error outside any test each count as failed: a line that says
 * `0 failed` means that everything ran and passed.
 */
import type { Reporter, TestModule } from 'vitest/node'

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0
    let failed = unhandledErrors.length
    const repeated: string[] = []
    for (const module of modules) {
      let failedHere = 0
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if ((test.diagnostic()?.retryCount ?? 0) > 0) repeated.push(`${test.fullName} (${state})`)
        if (state === 'passed') passed++
        else if (state === 'failed') failedHere++
      }
      // A module can fail with none of its tests failing: it did not load, or a suite's hook threw.
      if (module.state() === 'failed' && failedHere === 0) failedHere = 1
      failed += failedHere
    }
    for (const name of repeated) process.stdout.write(`repeated: ${name}\n`)
    process.stdout.write(`${passed} passed, ${failed} failed\n`)
  }
}

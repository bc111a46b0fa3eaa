/** How a command fails: one sentence on stderr, and exit code 1 (failure) or 2 (wrong usage). */
import { textOf } from 'warren'
import { printableLines } from './printable.js'

export class Failure extends Error {
  readonly exitCode: 1 | 2

  constructor(sentence: string, { exitCode = 1, cause }: { exitCode?: 1 | 2; cause?: unknown } = {}) {
    super(sentence, cause === undefined ? undefined : { cause })
    this.name = 'Failure'
    this.exitCode = exitCode
  }
}

/** Writes the error as one sentence, with its stack under `WARREN_DEBUG=1`, and returns the exit code. */
export function report(thrown: unknown, verb: string, write: (text: string) => unknown): 1 | 2 {
  // An error can quote untrusted text.
  write(`warren ${verb}: ${printableLines(textOf(thrown))}\n`)
  if (process.env.WARREN_DEBUG === '1') write(`${thrown instanceof Error ? thrown.stack : String(thrown)}\n`)
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
  return thrown instanceof Failure ? thrown.exitCode : code === 'INVALID_OPTIONS' ? 2 : 1
}

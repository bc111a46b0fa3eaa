/** Where a command writes, and how it returns its exit code. */

export interface Output {
  readonly out: (text: string) => unknown
  readonly err: (text: string) => unknown
}

/** The return value of a verb's action. Undefined means 0. */
export type Verdict = (code: number) => void

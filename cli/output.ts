/** Where a command writes, and how it says its exit code. */

export interface Output {
  readonly out: (text: string) => unknown
  readonly err: (text: string) => unknown
}

/** What a verb's action says in the end. Undefined is 0. */
export type Verdict = (code: number) => void

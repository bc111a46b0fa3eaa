/** The file that a process writes its output to, over all its lives. */
import { mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** A log that has grown past this is put aside (`.1`) at the next start. */
const MAX_LOG_BYTES = 20 * 1024 * 1024

export class ProcessLog {
  readonly #file: string
  /** Where the present life begins. */
  #offset = 0

  constructor(file: string) {
    this.#file = file
  }

  /** Opens it for a new life; the file descriptor is the caller's to close. */
  open(): number {
    mkdirSync(dirname(this.#file), { recursive: true })
    this.#offset = putAsideIfLong(this.#file)
    return openSync(this.#file, 'a')
  }

  /** The last lines of the present life. */
  end(lines = 15): string {
    try {
      const text = readFileSync(this.#file).subarray(this.#offset).toString('utf8')
      return text.trimEnd().split('\n').slice(-lines).join('\n')
    } catch {
      return ''
    }
  }
}

/** Returns where the next line will be. */
function putAsideIfLong(file: string): number {
  try {
    const { size } = statSync(file)
    if (size < MAX_LOG_BYTES) return size
    renameSync(file, `${file}.1`)
  } catch {
    // There is no log yet.
  }
  return 0
}

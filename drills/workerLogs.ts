/** What worker processes have logged since a certain moment. */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'

export class WorkerLogs {
  readonly #files: readonly { readonly path: string; readonly offset: number }[]

  /** From now on. */
  constructor(clusterFolder: string, workers: readonly string[]) {
    this.#files = workers.map((worker) => {
      const path = join(clusterFolder, 'logs', `${worker}.log`)
      return { path, offset: existsSync(path) ? statSync(path).size : 0 }
    })
  }

  /** The most lines with `text` that any one worker has written. */
  mostLines(text: string): number {
    return Math.max(0, ...this.#files.map((file) => readFrom(file).split(text).length - 1))
  }

  /** The sum of the numbers that `pattern` captures, in the lines of all workers. */
  sum(pattern: RegExp): number {
    const numbers = this.#files.flatMap((file) =>
      [...readFrom(file).matchAll(pattern)].map(([, number]) => Number(number)),
    )
    return numbers.reduce((all, each) => all + each, 0)
  }
}

function readFrom({ path, offset }: { path: string; offset: number }): string {
  if (!existsSync(path)) return ''
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - offset))
    readSync(file, bytes, 0, bytes.length, offset)
    return bytes.toString('utf8')
  } finally {
    closeSync(file)
  }
}

/** What the workers of a crew say: when they began what, and when it ended. Judged by `limitVerdict.ts` and `orderVerdict.ts`. */

/** A handler began with a message. */
interface Began {
  readonly event: 'began'
  readonly id: string
  readonly task: string
  readonly key: string
  /** Which one of its key it is. */
  readonly n: number
  readonly fence: number | undefined
  readonly sentAt: number
  readonly at: number
}

export type CrewLine =
  | { readonly event: 'ready' }
  | Began
  | { readonly event: 'ended'; readonly id: string; readonly at: number }
  /** A limit made a message wait in the broker. */
  | { readonly event: 'delayed'; readonly id: string; readonly key: string | undefined; readonly waitMs: number }

/** One run of a handler. Instants are in milliseconds since 1970, of one machine. */
export interface CrewRun {
  readonly id: string
  readonly task: string
  readonly key: string
  readonly n: number
  readonly worker: string
  readonly fence: number | undefined
  readonly sentAt: number
  readonly beganAt: number
  /** Undefined while it runs; of a killed worker it is when that ended. */
  endedAt: number | undefined
  /** It came to its end. */
  finished: boolean
}

export class CrewRuns {
  readonly all: CrewRun[] = []
  /** What workers made each message wait in the broker: a line for each time. */
  readonly delays = new Map<string, string[]>()
  readonly #open = new Map<string, CrewRun>()

  /** One line of a worker. */
  take(worker: string, line: CrewLine): void {
    if (line.event === 'began') {
      const { id, task, key, n, fence, sentAt, at } = line
      const open = { beganAt: at, endedAt: undefined, finished: false }
      const run: CrewRun = { id, task, key, n, worker, fence, sentAt, ...open }
      this.all.push(run)
      this.#open.set(`${worker} ${id}`, run)
    } else if (line.event === 'ended') {
      const run = this.#open.get(`${worker} ${line.id}`)
      if (run !== undefined) {
        run.endedAt = line.at
        run.finished = true
      }
      this.#open.delete(`${worker} ${line.id}`)
    } else if (line.event === 'delayed') {
      const delay = `${worker}, of ${line.key}, for ${Math.round(line.waitMs)} ms`
      this.delays.set(line.id, [...(this.delays.get(line.id) ?? []), delay])
    }
  }

  /** The worker's process has ended, and with it what it ran. */
  gone(worker: string, at: number): void {
    for (const [name, run] of this.#open) {
      if (run.worker !== worker) continue
      run.endedAt = at
      this.#open.delete(name)
    }
  }

  of(task: string): CrewRun[] {
    return this.all.filter((run) => run.task === task)
  }
}

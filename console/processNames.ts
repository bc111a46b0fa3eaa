/** What the launcher calls the processes that it runs, or ran: results name host and process alone. Bounded: the oldest go. */
import { hostname } from 'node:os'
import type { LauncherProcess } from './launcher.js'

const MAX_KNOWN = 1_000

export class ProcessNames {
  readonly #names = new Map<number, string>()

  learn(processes: readonly LauncherProcess[]): void {
    for (const { pid, name } of processes) {
      if (pid === undefined || this.#names.get(pid) === name) continue
      this.#names.delete(pid)
      this.#names.set(pid, name)
      const [oldest] = this.#names.keys()
      if (this.#names.size > MAX_KNOWN && oldest !== undefined) this.#names.delete(oldest)
    }
  }

  /** `worker-3`; `host:4711` of a process that the launcher does not know. */
  of(host: string, pid: number | undefined): string {
    const known = pid !== undefined && host === hostname() ? this.#names.get(pid) : undefined
    return known ?? (pid === undefined ? host : `${host}:${pid}`)
  }
}

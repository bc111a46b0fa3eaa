/**
 * A client or worker process, from the benchmark's side. It owns the process and its group.
 *
 *     starting ─▶ ready ─▶ ended        `stop` closes its stdin, which ends it; one that does not end is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Answer, Answered, Request } from './program.js'
import type { Part, Rival, Setup } from './rivals/rival.js'
import { cpuSecondsOf, rssBytesOf } from './usage.js'

const READY_MS = 30_000
const STOP_MS = 10_000

interface Line {
  readonly ready?: true
  readonly first?: true
  readonly began?: number
}

export interface ChildFiles {
  readonly logFile: string
  /** Where it leaves a CPU profile, if it is written for Node. */
  readonly profile?: string | undefined
}

export class Child {
  readonly #process: ChildProcess
  readonly #name: string
  readonly #spawnedAt = performance.now()
  readonly #exited: Promise<void>
  #waiting: ((line: object) => void) | undefined
  #fail: ((error: Error) => void) | undefined
  #onReady: (() => void) | undefined
  #onBegan: ((count: number) => void) | undefined
  /** How many tasks it has said to have begun. */
  began = 0
  readonly #firstTask: Promise<number>
  #onFirst: ((ms: number) => void) | undefined

  /** Resolves once it is ready: connected, and a worker takes tasks. */
  static async start(rival: Rival, part: Part, setup: Setup, files: ChildFiles): Promise<Child> {
    const child = new Child(rival, part, setup, files)
    await child.#ready()
    return child
  }

  private constructor(rival: Rival, part: Part, setup: Setup, { logFile, profile }: ChildFiles) {
    const [command = '', ...args] = rival.command(part)
    this.#name = `${rival.name}'s ${part} (its log is ${logFile})`
    this.#process = spawn(command, args, {
      stdio: ['pipe', 'pipe', openSync(logFile, 'a')],
      env: {
        ...process.env,
        BENCH_SETUP: JSON.stringify(setup),
        // The repository stays as it is.
        PYTHONDONTWRITEBYTECODE: '1',
        ...(profile === undefined ? {} : { BENCH_PROFILE: profile }),
      },
      detached: true,
    })
    // It may end before all was written to it.
    this.#process.stdin?.on('error', () => {})
    this.#firstTask = new Promise((resolve) => {
      this.#onFirst = resolve
    })
    this.#exited = new Promise((resolve) => {
      const end = (why: string) => {
        this.#fail?.(new Error(`${this.#name} ended: ${why}`))
        resolve()
      }
      this.#process.once('error', (error) => end(error.message))
      this.#process.once('exit', (code, signal) => end(String(signal ?? code)))
    })
    if (this.#process.stdout !== null) {
      createInterface(this.#process.stdout).on('line', (line) => this.#hear(JSON.parse(line) as Line & Answer))
    }
  }

  get pid(): number {
    return this.#process.pid as number
  }

  /** Of it and of the processes that it started. */
  get cpuSeconds(): number {
    return cpuSecondsOf(this.pid)
  }

  get rssBytes(): number {
    return rssBytesOf(this.pid)
  }

  /** Resolves when its first task has begun, with how long that took from its start, in milliseconds. */
  firstTask(): Promise<number> {
    return this.#firstTask
  }

  set onBegan(listener: (count: number) => void) {
    this.#onBegan = listener
  }

  /** Rejects when the request fails or the process ends. One request at a time. */
  async ask(request: Request): Promise<{ readonly seconds: number; readonly latencies: readonly number[] }> {
    const { seconds, latencies = [] } = await this.askFor<Answered>(request)
    return { seconds, latencies }
  }

  /** The same, of a program with requests of its own. */
  async askFor<Given>(request: object): Promise<Given> {
    const answer = await new Promise<object>((resolve, reject) => {
      this.#waiting = resolve
      this.#fail = reject
      this.#process.stdin?.write(`${JSON.stringify(request)}\n`)
    })
    if ('error' in answer) throw new Error(`${this.#name}: ${answer.error}`)
    return answer as Given
  }

  async stop(): Promise<void> {
    this.#fail = undefined
    this.#process.stdin?.end()
    const killer = setTimeout(() => this.#killGroup(), STOP_MS)
    await this.#exited
    clearTimeout(killer)
  }

  #killGroup(): void {
    try {
      process.kill(-this.pid, 'SIGKILL')
    } catch {
      // It ended meanwhile.
    }
  }

  async #ready(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        this.#onReady = resolve
        this.#fail = reject
        timer = setTimeout(() => reject(new Error(`${this.#name} was not ready within ${READY_MS} ms`)), READY_MS)
      })
    } catch (error) {
      if (this.#process.pid !== undefined) await this.stop()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  #hear(line: Line & Answer): void {
    if (line.ready) this.#onReady?.()
    else if (line.first) this.#onFirst?.(performance.now() - this.#spawnedAt)
    else if (line.began !== undefined) {
      this.began = line.began
      this.#onBegan?.(line.began)
    } else this.#waiting?.(line)
  }
}

/**
 * Runs drills: `warren drill run` as a process of its own, which starts a cluster of its own. It owns that process and
 * what it said. One at a time; it ends with the console.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { textOf } from 'warren'
import { Refusal } from './refusal.js'

export interface DrillAbout {
  readonly name: string
  readonly does: string
  readonly holds: string
}

export interface DrillView {
  readonly name: string
  readonly by: string
  readonly startedAt: number
  readonly state: 'running' | 'ended'
  /** What it said, a line each. */
  readonly lines: readonly string[]
  /** What became of its messages so far. */
  readonly ledger?: Readonly<Record<string, number>>
  readonly verdict?: {
    readonly verdict: string
    readonly reasons: readonly string[]
    readonly remarks: readonly string[]
  }
  readonly tookMs: number
}

const MAX_LINES = 200
const MAX_LINE = 500
const LIST_TIMEOUT_MS = 30_000
/** The cluster of a drill is stopped in order; what has not ended then is killed. */
const END_TIMEOUT_MS = 60_000

export class Drills extends EventEmitter<{ drill: [DrillView] }> {
  readonly #command: readonly string[]
  #list: Promise<DrillAbout[]> | undefined
  #child: ChildProcess | undefined
  #view: DrillView | undefined

  constructor(command: readonly string[]) {
    super()
    this.setMaxListeners(0)
    this.#command = command
  }

  get view(): DrillView | undefined {
    return this.#view
  }

  /** Every drill there is. Asked once. */
  list(): Promise<DrillAbout[]> {
    this.#list ??= this.#ask().catch((error) => {
      this.#list = undefined
      throw error
    })
    return this.#list
  }

  async start(name: string, by: string, onEnd: (view: DrillView) => void): Promise<DrillView> {
    const known = await this.list()
    if (!known.some((each) => each.name === name)) throw new Refusal(404, 'UNKNOWN_DRILL', 'There is no such drill')
    if (this.#child !== undefined)
      throw new Refusal(409, 'BUSY', 'A drill is in progress: wait for its end, or stop it')
    const [command = process.execPath, ...args] = this.#command
    const child = spawn(command, [...args, 'drill', 'run', name, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    this.#view = { name, by, startedAt: Date.now(), state: 'running', lines: [], tookMs: 0 }
    createInterface({ input: child.stdout }).on('line', (line) => this.#fact(line))
    createInterface({ input: child.stderr }).on('line', (line) => this.#fact(line))
    child.once('error', (error) => this.#line(`It could not be started: ${textOf(error)}`))
    child.once('close', () => {
      this.#child = undefined
      this.#set({ state: 'ended' })
      if (this.#view !== undefined) onEnd(this.#view)
    })
    return this.#view
  }

  /** Resolves once the drill's cluster is gone. */
  async end(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
    child.kill('SIGINT')
    const timer = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS)
    await closed
    clearTimeout(timer)
  }

  async #ask(): Promise<DrillAbout[]> {
    const [command = process.execPath, ...args] = this.#command
    const { stdout } = await promisify(execFile)(command, [...args, 'drill', 'list', '--json'], {
      timeout: LIST_TIMEOUT_MS,
    })
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as DrillAbout)
  }

  /** A line in JSON is a fact, any other is for people. */
  #fact(line: string): void {
    const fact = factIn(line)
    if (fact === undefined) this.#line(line)
    else if (fact.event === 'ledger') this.#set({ ledger: numbersIn(fact) })
    else if (fact.event === 'drill') {
      const { verdict, reasons = [], remarks = [], ledger } = fact as unknown as DrillFact
      this.#set({ verdict: { verdict, reasons, remarks }, ...(ledger ? { ledger: numbersIn(ledger) } : {}) })
    }
  }

  #line(line: string): void {
    const lines = [...(this.#view?.lines ?? []), line.slice(0, MAX_LINE)].slice(-MAX_LINES)
    this.#set({ lines })
  }

  #set(change: Partial<DrillView>): void {
    if (this.#view === undefined) return
    this.#view = { ...this.#view, ...change, tookMs: Date.now() - this.#view.startedAt }
    this.emit('drill', this.#view)
  }
}

const numbersIn = (fact: Readonly<Record<string, unknown>>): Record<string, number> =>
  Object.fromEntries(Object.entries(fact).filter((entry): entry is [string, number] => typeof entry[1] === 'number'))

/** What `warren drill run --json` prints in the end. */
type DrillFact = NonNullable<DrillView['verdict']> & { readonly ledger?: Readonly<Record<string, unknown>> | null }

function factIn(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

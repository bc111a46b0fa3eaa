/** Worker processes of a drill's own, and what they said. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { repositoryRoot } from '../cluster/index.js'
import { type CrewLine, CrewRuns } from './crewRuns.js'
import type { Scene } from './drill.js'
import type { Standstill } from './limitVerdict.js'

const READY_MS = 30_000

interface Member {
  readonly child: ChildProcess
  ready: boolean
  frozen: { readonly worker: string; readonly from: number; to?: number } | undefined
}

export class Crew {
  readonly runs = new CrewRuns()
  readonly standstills: Standstill[] = []
  readonly #scene: Pick<Scene, 'drillCluster' | 'defer' | 'until' | 'mark'>
  readonly #concurrency: number
  readonly #members = new Map<string, Member>()
  readonly #children = new Set<ChildProcess>()
  #count = 0
  #over = false

  constructor(scene: Pick<Scene, 'drillCluster' | 'defer' | 'until' | 'mark'>, concurrency: number) {
    this.#scene = scene
    this.#concurrency = concurrency
    scene.defer(() => {
      this.#over = true
      for (const child of this.#children) child.kill('SIGKILL')
    })
  }

  /** The names of those that live. */
  get names(): string[] {
    return [...this.#members.keys()]
  }

  /** Starts so many more, and waits until they are ready. */
  async add(count: number): Promise<void> {
    const names = Array.from({ length: count }, () => this.#start())
    const waiting = () => names.filter((name) => this.#members.get(name)?.ready !== true)
    const fact = () => (waiting().length === 0 ? undefined : `${waiting().join(', ')} are not`)
    await this.#scene.until('ready workers', fact, READY_MS)
  }

  /** SIGKILL. */
  async kill(name: string): Promise<void> {
    const { child } = this.#member(name)
    this.#members.delete(name)
    this.standstills.push({ worker: name, from: Date.now() })
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    this.#scene.mark('fault', `Killed ${name} (SIGKILL)`)
  }

  /** SIGSTOP. */
  freeze(name: string): void {
    const member = this.#member(name)
    member.frozen = { worker: name, from: Date.now() }
    this.standstills.push(member.frozen)
    member.child.kill('SIGSTOP')
    this.#scene.mark('fault', `Froze ${name} (SIGSTOP)`)
  }

  thaw(name: string): void {
    const { child, frozen } = this.#member(name)
    if (frozen !== undefined) frozen.to = Date.now()
    child.kill('SIGCONT')
    this.#scene.mark('seen', `${name} goes on`)
  }

  /** Sends so many messages of one key, from a process of its own. Returns how long that took, in milliseconds. */
  async flood(count: number, { withStore }: { readonly withStore: boolean }): Promise<number> {
    const startedAt = performance.now()
    const child = this.#spawn(['flood', String(count)], withStore)
    const [code] = (await once(child, 'exit')) as [number | null]
    if (code !== 0) throw new Error(`the process that sends ${count} messages ended with ${code ?? 'a signal'}`)
    return performance.now() - startedAt
  }

  #start(): string {
    const name = `crew-${++this.#count}`
    const child = this.#spawn([String(this.#concurrency)])
    const member: Member = { child, ready: false, frozen: undefined }
    this.#members.set(name, member)
    // Its lines come before its end is known: only then what it ran is over.
    child.once('close', () => {
      this.runs.gone(name, Date.now())
      // Nobody ended it but what it ran.
      if (this.#members.delete(name) && !this.#over) this.#start()
    })
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (text) => {
        // A killed process may leave half a line.
        if (!text.endsWith('}')) return
        const line = JSON.parse(text) as CrewLine
        if (line.event === 'ready') member.ready = true
        else this.runs.take(name, line)
      })
    }
    return name
  }

  #spawn(given: readonly string[], withStore = true): ChildProcess {
    const { adminUrl, resultsUrl } = this.#scene.drillCluster
    const script = join(repositoryRoot(), 'dist', 'drills', 'crewWorker.js')
    const child = spawn(process.execPath, [script, adminUrl, withStore ? resultsUrl : '', ...given], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#children.add(child)
    return child
  }

  #member(name: string): Member {
    const member = this.#members.get(name)
    if (member === undefined) throw new Error(`no worker ${name}`)
    return member
  }
}

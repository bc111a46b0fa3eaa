/** The memory of processes while something is measured: looked at every second, kept in bounded space. */
import type { Child } from '../child.js'
import type { Ground } from '../ground.js'
import { median } from '../statistics.js'
import { rssBytesOf } from '../usage.js'

const LOOK_MS = 1_000
/** So many looks are kept at most; then every second one is dropped, and looks become rarer. */
const MOST_LOOKS = 4_096

interface LookAt {
  /** A worker's mean, the sender's, and a node's mean, in bytes. */
  readonly worker: number
  readonly sender: number
  readonly node: number
}

export class MemoryWatch {
  readonly #timer: NodeJS.Timeout
  readonly #look: () => LookAt
  #looks: LookAt[] = []
  #every = 1
  #ticks = 0

  /** The last child is the sender, those before it are workers. */
  constructor(ground: Ground, children: readonly Child[]) {
    const nodes = ground.processes.filter(({ kind }) => kind === 'rabbitmq')
    const workers = children.slice(0, -1)
    const sender = children.at(-1)
    const mean = (all: readonly number[]): number => all.reduce((sum, each) => sum + each, 0) / all.length
    this.#look = () => ({
      worker: mean(workers.map(({ rssBytes }) => rssBytes)),
      sender: sender?.rssBytes ?? 0,
      node: mean(nodes.map(({ pid }) => rssBytesOf(pid))),
    })
    this.#timer = setInterval(() => this.#tick(), LOOK_MS)
    this.#tick()
  }

  /** For a line of progress. */
  get now(): string {
    const { worker, sender, node } = this.#looks.at(-1) as LookAt
    const mb = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`
    return `a worker has ${mb(worker)}, the sender ${mb(sender)}, a node ${mb(node)}`
  }

  end(): void {
    clearInterval(this.#timer)
  }

  /** A worker's median in the last third of the time to that in the middle third. */
  get growth(): number {
    const third = Math.floor(this.#looks.length / 3)
    const of = (from: number): number => median(this.#looks.slice(from, from + third).map(({ worker }) => worker))
    return of(this.#looks.length - third) / of(third)
  }

  /** What is worth a row, in bytes. */
  found(): [string, number][] {
    const [first] = this.#looks as [LookAt]
    const most = (of: (look: LookAt) => number): number => Math.max(...this.#looks.map(of))
    return [
      ['memory of a worker, at most', most(({ worker }) => worker)],
      ['memory of the sender, at most', most(({ sender }) => sender)],
      ['memory of a node before', first.node],
      ['memory of a node, at most', most(({ node }) => node)],
      ['memory of a node at the end', this.#looks.at(-1)?.node ?? Number.NaN],
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end()
  }

  #tick(): void {
    if (this.#ticks++ % this.#every !== 0) return
    this.#looks.push(this.#look())
    if (this.#looks.length < MOST_LOOKS) return
    this.#looks = this.#looks.filter((_, index) => index % 2 === 0)
    this.#every *= 2
  }
}

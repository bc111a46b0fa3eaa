/**
 * Where everything is measured: one cluster of its own for the whole run, with three RabbitMQ nodes, HAProxy and the
 * store, as `npm start` has it and with the same configuration. Each rival gets fresh queues, so that none pays for
 * what another left, and all clients and workers connect through HAProxy.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { connect } from 'amqplib'
import { Redis } from 'iovalkey'
import { commandsExchange, type QueueType, taskQueue } from 'warren'
import { Cluster, freePortBlock, NODE_NUMBERS } from '../cluster/index.js'
import { Management, type QueueInfo } from '../drills/broker.js'
import { Child } from './child.js'
import { DOMAIN, type Part, type Rival, SERVICE, type Setup } from './rivals/rival.js'
import { Servers } from './servers.js'
import { cpuSecondsOf, machineCpuSeconds } from './usage.js'

/** CPU time in seconds, by whose it was. */
export interface Cpu {
  readonly broker: number
  readonly haproxy: number
  readonly store: number
  readonly client: number
  readonly workers: number
  /** Processes that have nothing to do with the measurement: how far it was disturbed. */
  readonly others: number
}

export interface Field {
  readonly queueType?: QueueType
  readonly queues?: number
  readonly tasksAre?: Setup['tasksAre']
  readonly reportEveryMs?: number
  /** Connects past HAProxy, to the node that leads the (one) queue, or to one that does not. */
  readonly at?: 'leader' | 'follower'
}

export class Ground {
  readonly cluster: Cluster
  /** Of the cluster. Nothing is restarted while it is measured. */
  readonly processes: readonly { readonly kind: string; readonly pid: number }[]
  /** Where CPU profiles go, if they are wanted. */
  readonly profiles: string | undefined
  readonly #servers: Servers
  /** Processes of servers that only some rivals need. */
  #own: readonly number[] = []
  #fields = 0
  #children = 0

  static async open(dir: string, profiled: boolean, say: (line: string) => void): Promise<Ground> {
    const { base, amqp, edge } = await freePortBlock()
    rmSync(resolve(dir), { recursive: true, force: true })
    const cluster = new Cluster({ dir, workers: 0, portBase: base, amqpPort: amqp, edgePort: edge, prometheus: false })
    say('starting three RabbitMQ nodes, HAProxy and the store')
    await cluster.start()
    const { processes } = await cluster.status()
    const profiles = profiled ? join(cluster.dir, 'profiles') : undefined
    if (profiles !== undefined) mkdirSync(profiles)
    return new Ground(
      cluster,
      processes.map(({ kind, pid = 0 }) => ({ kind, pid })),
      profiles,
    )
  }

  private constructor(cluster: Cluster, processes: Ground['processes'], profiles: string | undefined) {
    this.cluster = cluster
    this.profiles = profiles
    this.processes = processes
    this.#servers = new Servers(join(cluster.dir, 'servers'))
  }

  /** Fresh queues, and what clients and workers are told about them. Gone when `use` is done. */
  async withField<Result>(field: Field, use: (setup: Setup) => Promise<Result>): Promise<Result> {
    const { queueType = 'quorum', queues = 1, tasksAre = 'short', reportEveryMs } = field
    const run = ++this.#fields
    const tasks = Array.from({ length: queues }, (_, index) => `${DOMAIN}.run${run}.noop${index}`)
    const setup: Setup = {
      broker: this.cluster.brokerUrl('admin'),
      results: this.cluster.addresses.results,
      tasks,
      queueType,
      tasksAre,
      ...(reportEveryMs === undefined ? {} : { reportEveryMs }),
    }
    await this.#declare(setup)
    try {
      return await use(field.at === undefined ? setup : { ...setup, broker: await this.#nodeOf(setup, field.at) })
    } finally {
      await this.#drop(setup)
    }
  }

  async child(rival: Rival, part: Part, given: Setup): Promise<Child> {
    const setup = rival.server === undefined ? given : { ...given, server: await this.#servers.url(rival.server) }
    this.#own = await this.#servers.pids()
    const logFile = join(this.cluster.dir, `${rival.name}-${part}.log`)
    const { profiles } = this
    const profile =
      profiles === undefined ? undefined : join(profiles, `${rival.name}-${part}-${++this.#children}.cpuprofile`)
    return Child.start(rival, part, setup, { logFile, profile })
  }

  /** Differences between two of these are what was used meanwhile. */
  cpu(client: Child | undefined, workers: readonly Child[]): Cpu {
    const machine = machineCpuSeconds()
    const ofKind = (kind: string) =>
      this.processes.reduce((sum, each) => sum + (each.kind === kind ? cpuSecondsOf(each.pid) : 0), 0)
    const own = process.cpuUsage()
    const known = {
      broker: ofKind('rabbitmq'),
      haproxy: ofKind('haproxy'),
      store: ofKind('store') + this.#own.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0),
      client: client?.cpuSeconds ?? 0,
      workers: workers.reduce((sum, worker) => sum + worker.cpuSeconds, 0),
    }
    const sum = Object.values(known).reduce((total, each) => total + each, (own.user + own.system) / 1e6)
    return { ...known, others: machine - sum }
  }

  async close(): Promise<void> {
    await this.#servers.close()
    await this.cluster.stop()
  }

  /** As Warren's workers declare them. */
  async #declare({ tasks, queueType }: Setup): Promise<void> {
    await this.#onChannel(async (channel) => {
      const exchange = commandsExchange(DOMAIN)
      await channel.assertExchange(exchange, 'topic', { durable: true })
      for (const task of tasks) {
        const queue = taskQueue(task, SERVICE)
        await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': queueType } })
        await channel.bindQueue(queue, exchange, task)
      }
    })
  }

  async #drop({ tasks }: Setup): Promise<void> {
    await this.#onChannel(async (channel) => {
      for (const task of tasks) await channel.deleteQueue(taskQueue(task, SERVICE))
    })
  }

  /** The address of the node that leads the queue, or of the next one. */
  async #nodeOf({ tasks: [task = ''] }: Setup, at: 'leader' | 'follower'): Promise<string> {
    const { addresses, passwords } = this.cluster
    const management = new Management(addresses.management.nodes, passwords.admin ?? '')
    const path = `/queues/%2F/${encodeURIComponent(taskQueue(task, SERVICE))}`
    const { leader, node } = await management.request<QueueInfo>('GET', path)
    const index = NODE_NUMBERS.findIndex((number) => (leader ?? node)?.startsWith(`rabbitmq-${number}@`))
    if (index < 0) throw new Error(`no node leads ${path}`)
    const other = (index + 1) % NODE_NUMBERS.length
    return this.cluster.brokerUrl('admin', NODE_NUMBERS[at === 'leader' ? index : other])
  }

  /** Takes away what nobody consumes. */
  async purge({ tasks }: Setup): Promise<void> {
    await this.#onChannel(async (channel) => {
      for (const task of tasks) await channel.purgeQueue(taskQueue(task, SERVICE))
    })
  }

  /** Between rivals, when none of them runs. */
  async emptyStore(): Promise<void> {
    const store = new Redis(this.cluster.addresses.results)
    await store.flushdb()
    store.disconnect()
  }

  async #onChannel(use: (channel: Awaited<ReturnType<Model['createChannel']>>) => Promise<void>): Promise<void> {
    const connection = await connect(this.cluster.brokerUrl('admin'))
    try {
      await use(await connection.createChannel())
    } finally {
      await connection.close()
    }
  }
}

type Model = Awaited<ReturnType<typeof connect>>

export const cpuBetween = (before: Cpu, after: Cpu): Cpu =>
  Object.fromEntries(
    Object.entries(after).map(([whose, seconds]) => [whose, seconds - before[whose as keyof Cpu]]),
  ) as unknown as Cpu

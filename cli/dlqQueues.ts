/** The dead letters that a `warren dlq` command selects: its queues and its filter. */
import {
  DEAD_LETTER_DELIVERY_LIMIT,
  type DeadLetterFilter,
  type DeadLetters,
  type DeathReason,
  deadLetterQueue,
} from 'warren'
import { deadLetterQueues, type FoundQueue } from './deadLetterQueues.js'
import { Failure } from './failure.js'

export interface WhereOptions {
  readonly domain?: string
  readonly queue?: string
  readonly dir?: string
  readonly broker?: string
  readonly management?: string
  readonly deliveryLimit?: number
  readonly json?: true
}

export interface FilterOptions extends WhereOptions {
  readonly id?: string
  readonly task?: string
  readonly reason?: DeathReason
  readonly olderThan?: number
  readonly newerThan?: number
  readonly text?: string
}

export function filterOf({ id, task, reason, olderThan, newerThan, text }: FilterOptions): DeadLetterFilter {
  return {
    ...(id === undefined ? {} : { id }),
    ...(task === undefined ? {} : { task }),
    ...(reason === undefined ? {} : { reason }),
    ...(olderThan === undefined ? {} : { olderThanMs: olderThan }),
    ...(newerThan === undefined ? {} : { newerThanMs: newerThan }),
    ...(text === undefined ? {} : { text }),
  }
}

/** The queues that a command searched. */
export interface Looked {
  readonly queues: readonly string[]
  /** Why there may be dead letters in other queues; undefined if there are none. */
  readonly gap: string | undefined
}

/** Runs `act` on the selected queues, one after the other. */
export async function onEach(options: WhereOptions, act: (letters: DeadLetters) => Promise<void>): Promise<Looked> {
  const { connect, textOf } = await import('warren')
  const servers = await serversOf(options)
  const found = await queuesOf(options, servers)
  const warren = await connect({ broker: servers.broker, name: 'warren dlq', logger: false })
  try {
    for (const { name, deliveryLimit } of found.queues) {
      const limit = options.deliveryLimit ?? deliveryLimit
      await act(warren.deadLetters({ queue: name, ...(limit === undefined ? {} : { deliveryLimit: limit }) })).catch(
        (error: unknown) => {
          if (found.gap === undefined) throw error
          throw new Failure(`${textOf(error)} It ${found.gap}`, { cause: error })
        },
      )
    }
    return { queues: found.queues.map(({ name }) => name), gap: found.gap }
  } finally {
    await warren.close()
  }
}

export interface Servers {
  readonly broker: readonly string[]
  readonly management: readonly string[]
  readonly vhost: string
  /** True for the running local cluster, which has the demo's policies. */
  readonly running: boolean
}

export async function serversOf(options: Pick<WhereOptions, 'broker' | 'management' | 'dir'>): Promise<Servers> {
  const { managementOf } = await import('../console/options.js')
  const { withPassword } = await import('../demo/secrets.js')
  const { runningAddresses } = await import('./running.js')
  const list = (text: string | undefined): string[] | undefined =>
    text ? text.split(',').map((each) => withPassword(each.trim(), process.env)) : undefined
  const given = list(options.broker || process.env.WARREN_BROKER)
  const management = list(options.management || process.env.WARREN_MANAGEMENT)
  if (given === undefined) {
    const addresses = await runningAddresses('operator', options.dir, '--broker')
    return { ...addresses, management: management ?? addresses.management, vhost: '/', running: true }
  }
  // `connect` refuses an invalid address.
  if (!given.every((each) => URL.canParse(each))) return { broker: given, management: [], vhost: '/', running: false }
  return { broker: given, management: managementOf(given, management), vhost: vhostOf(given[0] ?? ''), running: false }
}

/** The named queue; otherwise every dead-letter queue that RabbitMQ lists; otherwise those of the demo. */
async function queuesOf(
  { domain, queue }: WhereOptions,
  servers: Servers,
): Promise<{ queues: readonly FoundQueue[]; gap: string | undefined }> {
  const { domainOf, textOf } = await import('warren')
  const { tasks } = await import('../demo/tasks.js')
  const demos = [...new Set(tasks.map(({ name }) => deadLetterQueue(domainOf(name))))].map((name) => ({
    name,
    deliveryLimit: servers.running ? DEAD_LETTER_DELIVERY_LIMIT : undefined,
  }))
  const named = queue ?? (domain === undefined ? undefined : deadLetterQueue(domain))
  if (named !== undefined) {
    return { queues: [demos.find(({ name }) => name === named) ?? (await oneQueue(named, servers))], gap: undefined }
  }
  try {
    return { queues: await deadLetterQueues(servers.management, servers.vhost), gap: undefined }
  } catch (error) {
    const looked = demos.map(({ name }) => name).join(' and ')
    return {
      queues: demos,
      gap: `searched only ${looked}, because RabbitMQ's management API did not list the dead-letter queues (${textOf(error)}); pass --management, or --domain or --queue for another queue`,
    }
  }
}

async function oneQueue(name: string, servers: Servers): Promise<FoundQueue> {
  const known = await deadLetterQueues(servers.management, servers.vhost, name).catch(() => [])
  return known[0] ?? { name, deliveryLimit: undefined }
}

/** As a broker's address says it: `/` when it has no path, the path without its first slash when it has one. */
function vhostOf(address: string): string {
  const { pathname } = new URL(address)
  return pathname.length <= 1 ? '/' : decodeURIComponent(pathname.slice(1))
}

export const number = (value: number): string => value.toLocaleString('en-US')

/** Which dead letters a `warren dlq` command means: its queues, and its filter. */
import {
  DEAD_LETTER_DELIVERY_LIMIT,
  type DeadLetterFilter,
  type DeadLetters,
  type DeathReason,
  deadLetterQueue,
} from 'warren'

export interface WhereOptions {
  readonly domain?: string
  readonly queue?: string
  readonly dir?: string
  readonly broker?: string
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

/** Runs `act` on the queues that are meant, one after the other. */
export async function onEach(options: WhereOptions, act: (letters: DeadLetters) => Promise<void>): Promise<void> {
  const { connect, domainOf } = await import('warren')
  const { tasks } = await import('../demo/tasks.js')
  const { runningAddresses } = await import('./running.js')
  const given = options.broker || process.env.WARREN_BROKER
  const broker = given ? given.split(',').map((each) => each.trim()) : undefined
  const warren = await connect({
    broker: broker ?? (await runningAddresses('operator', options.dir)).broker,
    name: 'warren dlq',
    logger: false,
  })
  try {
    const { domain, queue } = options
    const predefined = new Set(tasks.map(({ name }) => deadLetterQueue(domainOf(name))))
    const named = queue ?? (domain === undefined ? undefined : deadLetterQueue(domain))
    for (const name of named === undefined ? predefined : [named]) {
      // The running cluster has the policies that `warren definitions` prints; of another broker nobody knows.
      const planned = broker === undefined && predefined.has(name) ? DEAD_LETTER_DELIVERY_LIMIT : undefined
      const limit = options.deliveryLimit ?? planned
      await act(warren.deadLetters({ queue: name, ...(limit === undefined ? {} : { deliveryLimit: limit }) }))
    }
  } finally {
    await warren.close()
  }
}

export const number = (value: number): string => value.toLocaleString('en-US')

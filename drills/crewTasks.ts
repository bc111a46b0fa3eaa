/** The tasks of the drills of limits and order, which their processes share. */
import { defineTask } from 'warren'
import { z } from 'zod'

export const CREW_SERVICE = 'drill-crew'
/** How long a worker that no longer answers keeps its places. */
export const LEASE_MS = 4_000
export const PLACES = 3
/** The key that a flood is of. */
export const NOISY = 'noisy'
/** Starts a second. */
export const RATE = 100

const input = z.object({
  key: z.string(),
  n: z.number(),
  workMs: z.number(),
  sentAt: z.number(),
  fault: z.enum(['exit']).optional(),
})
const key = (given: z.infer<typeof input>): string => given.key

/** A rate for all of the task. */
export const paced = defineTask({
  name: 'payment.drill.paced',
  input,
  limit: { rate: { count: RATE, perMs: 1_000 } },
})

/** So many at a time, for each key. */
export const placed = defineTask({
  name: 'payment.drill.placed',
  input,
  limit: { concurrency: PLACES, key, leaseMs: LEASE_MS },
})

/** A rate for each key. */
export const keyed = defineTask({
  name: 'payment.drill.keyed',
  input,
  limit: { rate: { count: 1, perMs: 1_000 }, key },
})

/** Messages of a key run in the order they were sent. */
export const ordered = defineTask({
  name: 'payment.drill.ordered',
  input,
  order: { key, partitions: 4 },
})

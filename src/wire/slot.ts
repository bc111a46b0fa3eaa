/** The start that a rate limit has reserved for a message, in the message's header. Pure. */
import type { ConsumeMessage } from 'amqplib'
import { headers } from './names.js'

export interface Slot {
  /** In milliseconds since 1970. */
  readonly at: number
  /** The interval between starts when it was reserved, in milliseconds: a start of another rate is invalid. */
  readonly each: number
}

export const slotText = ({ at, each }: Slot): string => `${at} ${each}`

/** Undefined if there is none. For a retry or a redriven message, which is due at another time, it is outdated. */
export function reservedStart({ properties }: ConsumeMessage): Slot | undefined {
  const text: unknown = properties.headers?.[headers.slot]
  if (typeof text !== 'string') return undefined
  const [at = Number.NaN, each = Number.NaN] = text.split(' ').map(Number)
  return Number.isFinite(each) && properties.headers?.[headers.due] === at ? { at, each } : undefined
}

/** The start that a rate limit has reserved for a message, as the message carries it. Pure. */
import type { ConsumeMessage } from 'amqplib'
import { headers } from './names.js'

export interface Slot {
  /** In milliseconds since 1970. */
  readonly at: number
  /** How far apart starts were when it was reserved, in milliseconds: one of another rate counts for nothing. */
  readonly each: number
}

export const slotText = ({ at, each }: Slot): string => `${at} ${each}`

/** Undefined where none is: of a retry, or a redriven message, which is due at another time, it is an old one. */
export function reservedStart({ properties }: ConsumeMessage): Slot | undefined {
  const text: unknown = properties.headers?.[headers.slot]
  if (typeof text !== 'string') return undefined
  const [at = Number.NaN, each = Number.NaN] = text.split(' ').map(Number)
  return Number.isFinite(each) && properties.headers?.[headers.due] === at ? { at, each } : undefined
}

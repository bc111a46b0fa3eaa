/** The content of the tables, as returned by this package. */
import type { Row } from './client.js'

/** A message that was set aside. */
export interface FailedMessage {
  readonly id: string
  readonly task: string
  readonly createdAt: Date
  readonly failedAt: Date
  /** How often it was published, or tried to be. */
  readonly attempts: number
  /** Warren's error code, as `UNROUTABLE` or `PAYLOAD_TOO_LARGE`. */
  readonly code: string
  readonly reason: string
}

export interface OutboxCounts {
  /** Messages that are committed and not yet confirmed by the broker. */
  readonly waiting: number
  /** Messages that were set aside. */
  readonly failed: number
  /** The age of the oldest that waits, in milliseconds; undefined when none does. */
  readonly oldestMs: number | undefined
}

export const failedMessage = (row: Row): FailedMessage => ({
  id: String(row.id),
  task: String(row.task),
  createdAt: new Date(row.created_at as string),
  failedAt: new Date(row.failed_at as string),
  attempts: Number(row.attempts),
  code: String(row.code),
  reason: String(row.reason),
})

export const counts = (row: Row): OutboxCounts => ({
  waiting: Number(row.waiting),
  failed: Number(row.failed),
  oldestMs: row.oldest_ms === null ? undefined : Math.max(0, Math.round(Number(row.oldest_ms))),
})

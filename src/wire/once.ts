/**
 * Messages of which several copies may be under way at the same time: their ids were chosen so that whoever repeats a
 * step publishes the same task again. Workers run one copy at a time, and find the task done for the rest. Pure.
 */
import { randomBytes } from 'node:crypto'
import type { ConsumeMessage } from 'amqplib'
import { celeryHeaders, headers } from './names.js'

/** The header that marks one publication of such a message; every copy that is made of it keeps it. */
export const newOnce = (): Readonly<Record<string, string>> => ({
  [headers.once]: randomBytes(9).toString('base64url'),
})

export interface CopyIdentity {
  /** Which publication by its sender this message comes from. */
  readonly publication: string
  /** Which copy of that: a retry, what was postponed, published again, or redriven. A redelivery is the same copy. */
  readonly copy: string
  /** How many attempts that publication had before. */
  readonly retries: number
}

const MAX_PUBLICATION = 100

/** Undefined for a message that is not marked. */
export function copyIdentity({ properties }: ConsumeMessage): CopyIdentity | undefined {
  const given: Readonly<Record<string, unknown>> = properties.headers ?? {}
  const publication = given[headers.once]
  if (typeof publication !== 'string' || publication === '' || publication.length > MAX_PUBLICATION) return undefined
  const retries = given[celeryHeaders.retries]
  const distinguishing = [
    retries,
    given[headers.due],
    given[headers.run],
    given[headers.redriven],
    given[headers.republished],
  ]
  return {
    publication,
    copy: distinguishing.map((each) => (isPlain(each) ? String(each) : '')).join(','),
    retries: typeof retries === 'number' ? retries : 0,
  }
}

const isPlain = (value: unknown): boolean => typeof value === 'number' || typeof value === 'boolean'

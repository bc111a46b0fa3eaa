/** A page of a list, and what is asked for one. Pure. */
import { Refusal } from './refusal.js'

export interface Page<Item> {
  readonly items: readonly Item[]
  /** Counted from 1. */
  readonly page: number
  readonly size: number
  /** How many there are on all pages, after filtering. */
  readonly total: number
  /** How many there are without any filter. */
  readonly inAll: number
}

export interface Asked {
  readonly page: number
  readonly size: number
}

const DEFAULT_SIZE = 50
const MAX_SIZE = 200

/** Throws a refusal for what is no page. */
export function askedPage({ page = '1', size = String(DEFAULT_SIZE) }: Readonly<Record<string, string>>): Asked {
  return { page: whole('page', page, 1_000_000), size: whole('size', size, MAX_SIZE) }
}

function whole(name: string, text: string, most: number): number {
  const value = Number(text)
  if (/^\d{1,7}$/.test(text) && value >= 1 && value <= most) return value
  throw new Refusal(400, 'BAD_PAGE', `Expected \`${name}\` to be a whole number from 1 to ${most}`)
}

/** The page that was asked for; the last one where there are fewer. */
export function pageOf<Item>(found: readonly Item[], inAll: number, { page, size }: Asked): Page<Item> {
  const last = Math.max(1, Math.ceil(found.length / size))
  const at = Math.min(page, last)
  return { items: found.slice((at - 1) * size, at * size), page: at, size, total: found.length, inAll }
}

/** Whether a text has all the words of another, in any case. */
export function hasWords(text: string, words: string): boolean {
  const lower = text.toLowerCase()
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => lower.includes(word))
}

/** What is stored of an attempt, and how much of it at a time. */
import type { HistoryNote } from '../wire/historyEntry.js'
import { eventsKey, isReplyChannel, resultKey } from '../wire/names.js'
import { Batch, type Hold } from './batch.js'
import type { ResultWrite } from './script.js'

/** Whose result is stored, and who waits for it. */
export interface ResultSpeaker {
  readonly id: string
  /** Which attempt speaks, from 1. */
  readonly attempt: number
  /** Of which run of the task: see `Envelope.run`. */
  readonly run: number
  /** The `reply_to` of the task's message. */
  readonly replyTo: string | undefined
}

/** What is stored beside a result. */
export interface Beside {
  /** Not to be held for others. */
  readonly urgent?: boolean | undefined
  /** For the task's events. */
  readonly entry?: string | undefined
  /** For the history. */
  readonly note?: HistoryNote | undefined
}

/** The most that one call of the script stores, in number and in characters: the store does nothing else meanwhile. */
export const STORE_COUNT = 200
export const STORE_CHARACTERS = 1_000_000
/** A busy worker's results wait for each other: a round trip for each costs more than a short task, in every process. */
const HOLD: Hold = { ms: 20, count: 32, abovePerSecond: 1_000 }

export const storingBatch = (
  act: (writes: readonly ResultWrite[]) => Promise<readonly number[]>,
): Batch<ResultWrite, number> =>
  new Batch(act, {
    count: STORE_COUNT,
    size: { of: sizeOf, max: STORE_CHARACTERS },
    hold: HOLD,
  })

/** In characters. */
export const sizeOf = ({ encoded, event }: ResultWrite): number => encoded.length + (event?.entry.length ?? 0)

/** `encoded` is the result, or '' where only an event or a note is stored. */
export function writeOf(
  { id, run, replyTo }: Omit<ResultSpeaker, 'attempt'>,
  encoded: string,
  { entry, note }: Beside,
  hasEvents: boolean,
): ResultWrite {
  const reply = isReplyChannel(replyTo) ? replyTo : ''
  const event = entry !== undefined && hasEvents ? { key: eventsKey(id), run, entry } : undefined
  return { key: resultKey(id), encoded, reply, event, note }
}

/** Results on a store of the test's own, and words for them as workers say them. */
import { randomUUID } from 'node:crypto'
import { waitFor } from '../../cluster/index.js'
import { parseResults, type StoreClient } from '../../src/results/connection.js'
import { Results } from '../../src/results/store.js'
import { replyChannel } from '../../src/wire/names.js'
import {
  encodeFailure,
  encodeProgress,
  encodeRetry,
  encodeRevoked,
  encodeSuccess,
} from '../../src/wire/resultFormat.js'
import { atEnd } from './ownStore.js'

export const producerId = randomUUID()

export function unopened(results: string | StoreClient, ttlMs = 60_000): Results {
  const made = new Results({ target: parseResults('test', results), producerId, ttlMs, connectTimeoutMs: 5_000 })
  atEnd(() => made.close())
  return made
}

export async function opened(results: string | StoreClient): Promise<Results> {
  const made = unopened(results)
  await made.open()
  return made
}

export const until = (what: string, fact: () => boolean | Promise<boolean>): Promise<void> =>
  waitFor(what, async () => ((await fact()) ? undefined : 'not yet'), { timeoutMs: 20_000 })

export type Word = 'SUCCESS' | 'FAILURE' | 'REVOKED' | 'RETRY' | 'PROGRESS'
export const doneAt = new Date()
export const error = { errorClass: 'Error', message: 'no', traceback: undefined }

export function encoded(word: Word, speaker: { id: string; attempt: number; run: number }): string {
  switch (word) {
    case 'SUCCESS':
      return encodeSuccess({ ...speaker, task: 'a.b', output: 'done', doneAt })
    case 'FAILURE':
      return encodeFailure({ ...speaker, error, doneAt })
    case 'REVOKED':
      return encodeRevoked({ ...speaker, reason: 'expired', doneAt })
    case 'RETRY':
      return encodeRetry({ ...speaker, error })
    case 'PROGRESS':
      return encodeProgress({ ...speaker, task: 'a.b', progress: 1 })
  }
}

/** Stores a word for a task, by a Warren worker; the reply channel is this process's own. */
export const say = async (results: Results, id: string, word: Word, attempt = 1, run = 0): Promise<boolean> => {
  const speaker = { id, attempt, run, replyTo: replyChannel(producerId) }
  return (await results.store(speaker, encoded(word, { id, attempt, run }))) === 'stored'
}

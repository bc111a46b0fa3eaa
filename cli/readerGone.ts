/** What a command does when whoever reads its output has gone, as `head` has once it has its lines. */
import type { EventEmitter } from 'node:events'

/** Calls `end` once, at the first of these streams that cannot be written any more. Later failures are of no interest. */
export function whenReaderGone(streams: readonly EventEmitter[], end: () => void): void {
  let gone = false
  for (const stream of streams) {
    stream.on('error', () => {
      if (!gone) end()
      gone = true
    })
  }
}

/**
 * What a view asks its server for, and asks again with each look of the server's: not while the page is hidden or paused,
 * and never twice at a time. What was shown stays when an answer does not come, with a note of how old it is.
 */
import { get } from './api.js'
import { h, setText } from './dom.js'
import { clock } from './format.js'

let paused = false
const watchers = new Set()

export const isPaused = () => paused

export function setPaused(value) {
  paused = value
  document.body.toggleAttribute('data-paused', value)
  if (!value) for (const watcher of watchers) watcher()
}

/** What is gone may come back, and is not asked for with each look until then. */
const GONE_MS = 15_000

/** `path()` is asked for; undefined: nothing is. `everyMs`: at least so long from one to the next. */
export function loader(path, show, { everyMs = 1_900 } = {}) {
  const note = h('p', { class: 'stale', role: 'status', hidden: true })
  let turn = 0
  let asking = false
  let endedAt = Number.NEGATIVE_INFINITY
  let goodAt
  let closed = false
  let restMs = everyMs
  const ask = async () => {
    const wanted = path()
    if (wanted === undefined) return
    const mine = ++turn
    asking = true
    try {
      const answer = await get(wanted)
      if (mine !== turn || closed) return
      goodAt = Date.now()
      restMs = everyMs
      note.hidden = true
      show(answer)
    } catch (error) {
      if (mine !== turn || closed) return
      restMs = error.status === 404 ? GONE_MS : everyMs
      note.hidden = false
      const since = goodAt === undefined ? '' : ` Shown is what there was at ${clock(goodAt)}.`
      setText(note, `${error.message}.${since}`.replace('..', '.'))
      failed?.(error)
    } finally {
      if (mine === turn) {
        asking = false
        endedAt = performance.now()
      }
    }
  }
  let failed
  const again = () => {
    if (!asking && !paused && !document.hidden && performance.now() - endedAt >= restMs) void ask()
  }
  watchers.add(again)
  return {
    note,
    /** Now, in place of what is under way. */
    now: ask,
    /** With a look of the server's. */
    again,
    onFailure(callback) {
      failed = callback
    },
    close() {
      closed = true
      watchers.delete(again)
    },
  }
}

/**
 * The stream that keeps the page up to date. When it breaks, it asks who is signed in, and begins anew: at first at once,
 * then less and less often. `onState` hears `open`, `away` and `signedOut`.
 */
import { readSession } from './api.js'

const FIRST_MS = 500
const MOST_MS = 5_000
const EVENTS = ['hello', 'moment', 'happening', 'row', 'tasks', 'burst', 'drill']

export function openStream(onEvent, onState) {
  let source
  let timer
  let waitMs = FIRST_MS
  let over = false

  const open = () => {
    source = new EventSource('api/stream')
    for (const event of EVENTS) {
      source.addEventListener(event, ({ data }) => {
        if (event === 'hello') {
          waitMs = FIRST_MS
          onState('open')
        }
        onEvent(event, JSON.parse(data))
      })
    }
    source.addEventListener('error', () => {
      // The browser would try again by itself, but not after an answer that is no stream.
      source.close()
      if (over) return
      onState('away')
      again()
    })
  }
  const again = () => {
    timer = setTimeout(async () => {
      waitMs = Math.min(MOST_MS, waitMs * 2)
      try {
        const session = await readSession()
        if (over) return
        if (session.signedIn) open()
        else onState('signedOut')
      } catch {
        if (!over) again()
      }
    }, waitMs)
  }
  open()
  return () => {
    over = true
    clearTimeout(timer)
    source.close()
  }
}

/** A word in a colour, and what the words for states mean. */
import { h, setAttribute, setText } from '../dom.js'
import { visible } from '../format.js'

export const badge = (text, tone = 'plain') => h('span', { class: `badge ${tone}` }, text)

export function setBadge(element, text, tone) {
  setText(element, text)
  setAttribute(element, 'class', `badge ${tone}`)
}

/** In the page's words, each with a mark, so that colour alone says nothing. */
const TASKS = {
  SUCCESS: ['✓ done', 'good'],
  FAILURE: ['✗ failed', 'bad'],
  REVOKED: ['⊘ cancelled', 'plain'],
  RETRY: ['↻ retrying', 'warn'],
  STARTED: ['▸ running', 'run'],
  PROGRESS: ['▸ running', 'run'],
  RECEIVED: ['▸ received', 'run'],
  PENDING: ['… waiting', 'plain'],
}

export const taskState = (status) => TASKS[status] ?? [visible(status), 'plain']

const FLOWS = {
  running: ['▸ running', 'run'],
  succeeded: ['✓ succeeded', 'good'],
  failed: ['✗ failed', 'bad'],
  cancelled: ['⊘ cancelled', 'plain'],
  waiting: ['… waiting', 'plain'],
  sent: ['▸ sent', 'run'],
  skipped: ['– skipped', 'plain'],
}

export const flowState = (state) => FLOWS[state] ?? [visible(state), 'plain']

const WELL = new Set(['running', 'connected', 'up', 'available'])
const QUIET = new Set(['starting', 'stopping', 'unknown'])

export const processTone = (state) => (WELL.has(state) ? 'good' : QUIET.has(state) ? 'plain' : 'bad')

/** Which page of a list is shown, and the way to the others. */
import { h, setText } from '../dom.js'
import { count } from '../format.js'
import { setQuery } from '../router.js'

export function pager() {
  const text = h('p', { class: 'quiet', role: 'status' })
  const step = (label, to) =>
    h('button', { type: 'button', class: 'small', onclick: () => setQuery({ page: to() }) }, label)
  let at = 1
  const before = step('← Before', () => (at > 2 ? at - 1 : ''))
  const after = step('After →', () => at + 1)
  const element = h('nav', { class: 'pager', 'aria-label': 'Pages' }, text, h('div', { class: 'acts' }, before, after))
  return {
    element,
    update({ page, size, total, inAll }, noun = 'in all') {
      at = page
      const from = total === 0 ? 0 : (page - 1) * size + 1
      const to = Math.min(total, page * size)
      const filtered = total === inAll ? '' : `, of ${count(inAll)} ${noun}`
      setText(text, total === 0 ? '' : `${count(from)}–${count(to)} of ${count(total)}${filtered}`)
      before.hidden = page <= 1
      after.hidden = to >= total
      element.hidden = total === 0
    },
  }
}

/** Of a list that is read on from where it was: only forwards, and back to the beginning. */
export function cursorPager() {
  const text = h('p', { class: 'quiet', role: 'status' })
  let next
  const first = h('button', { type: 'button', class: 'small', onclick: () => setQuery({ after: '' }) }, '⇤ Latest')
  const after = h('button', { type: 'button', class: 'small', onclick: () => setQuery({ after: next }) }, 'Older →')
  const element = h('nav', { class: 'pager', 'aria-label': 'Pages' }, text, h('div', { class: 'acts' }, first, after))
  return {
    element,
    update(words, following, isFirst) {
      next = following
      setText(text, words)
      first.hidden = isFirst
      after.hidden = following === undefined
    },
  }
}

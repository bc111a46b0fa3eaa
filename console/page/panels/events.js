/** What happened, in plain words, the latest first. */
import { h } from '../dom.js'
import { clock, visible } from '../format.js'
import { panel } from './panel.js'

const MOST = 200

export function eventsPanel() {
  const list = h('ol', { class: 'feed' })
  const region = h(
    'div',
    { class: 'scroll', tabindex: '0', role: 'log', 'aria-label': 'Events', 'aria-live': 'polite' },
    list,
  )
  const empty = h('p', { class: 'quiet' }, 'Nothing has happened since the console began to look.')
  const add = ({ at, tone, text }) => {
    empty.hidden = true
    const time = h('time', { datetime: new Date(at).toISOString() }, clock(at))
    list.prepend(h('li', { class: tone }, time, ' ', h('span', {}, visible(text))))
    while (list.children.length > MOST) list.lastChild.remove()
  }
  return panel('events', 'Events', [empty, region], (event, data) => {
    if (event === 'happening') add(data)
    if (event !== 'hello') return
    list.replaceChildren()
    for (const happening of data.happenings.slice(-MOST)) add(happening)
  })
}

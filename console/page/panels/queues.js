/** Every queue: where it is, what waits, what goes in and out. */
import { h, keyed, setAttribute, setText } from '../dom.js'
import { count, duration, plural, rate, visible } from '../format.js'
import { panel, table } from './panel.js'

const HEADS = ['Queue', 'Type', 'Leader', 'Members', 'Waiting', 'Held', 'Oldest', 'Consumers', 'In', 'Out']

const age = (oldest) => {
  if (oldest === undefined) return ''
  const words = { exact: '', reckoned: 'about ', atLeast: 'over ' }
  return `${words[oldest.how]}${duration(oldest.ms)}`
}

export function queuesPanel() {
  const body = h('tbody')
  const more = h('p', { class: 'quiet' })
  let ages = {}
  let up = new Set()
  const rows = keyed(
    body,
    ({ vhost, name }) => `${vhost}\n${name}`,
    (first) => {
      const name = h('span', {}, visible(first.name))
      const state = h('span', { class: 'badge bad' })
      const cells = HEADS.slice(1).map(() => h('td'))
      const element = h('tr', {}, h('th', { scope: 'row' }, name, ' ', state), cells)
      return {
        element,
        update(queue) {
          const {
            state: now,
            type,
            leader = '–',
            members,
            online,
            ready,
            unacknowledged,
            consumers,
            published,
            delivered,
          } = queue
          state.hidden = now === 'running'
          setText(state, now)
          setAttribute(element, 'data-role', queue.role)
          const away = members.filter((member) => !online.includes(member) || !up.has(member))
          const texts = [
            ...[type, leader],
            away.length === 0 ? String(members.length) : `${members.length}, ${away.join(', ')} away`,
            ...[
              count(ready),
              count(unacknowledged),
              age(ages[queue.name]),
              count(consumers),
              rate(published),
              rate(delivered),
            ],
          ]
          for (const [index, text] of texts.entries()) setText(cells[index], text)
        },
      }
    },
  )
  return panel('queues', 'Queues', [table('Queues', HEADS, body), more], (event, data) => {
    if (event !== 'moment') return
    ages = data.ages
    up = new Set(data.nodes.filter((node) => node.state === 'up').map((node) => node.name))
    const order = { task: 0, other: 1, retry: 2, deadLetters: 3 }
    rows([...data.queues].sort((a, b) => order[a.role] - order[b.role] || (a.name < b.name ? -1 : 1)))
    more.hidden = data.queuesInAll === undefined
    setText(more, `The first ${count(data.queues.length)} of ${plural(data.queuesInAll ?? 0, 'queue')}, by name.`)
  })
}

/** Every queue: where it is, what waits, what goes in and out. */
import { h, keyed, setAttribute, setText } from '../dom.js'
import { count, duration, isAway, plural, rate, visible, wholeSum } from '../format.js'
import { panel, table } from './panel.js'

const HEADS = ['Queue', 'Type', 'Leader', 'Members', 'Waiting', 'Held', 'Oldest', 'Consumers', 'In', 'Out']

const ORDER = { task: 0, other: 1, delay: 2, retry: 3, deadLetters: 4 }

/** A delay has many queues, of which each alone says nothing: one row for all of a virtual host. */
function levels(queues) {
  const delays = queues.filter(({ role }) => role === 'delay')
  return [...new Set(delays.map(({ vhost }) => vhost))].map((vhost) => {
    const all = delays.filter((queue) => queue.vhost === vhost)
    const sum = (key) => wholeSum(all.map((queue) => queue[key]))
    const worst = all.find(isAway) ?? all.find(({ state }) => state === 'unknown') ?? all[0]
    return {
      ...{ vhost, name: 'warren.delay', title: `delayed (${plural(all.length, 'queue')})`, role: 'delay' },
      ...{ type: worst.type, state: worst.state, members: worst.members, online: worst.online },
      ...{ ready: sum('ready'), unacknowledged: sum('unacknowledged'), consumers: sum('consumers') },
      ...{ published: sum('published'), delivered: sum('delivered') },
    }
  })
}

/** How many copies there are, and which of them are known to be away. */
function membersOf({ members, online }, down) {
  if (members === undefined) return '–'
  const away = members.filter((member) => down.has(member) || online?.includes(member) === false)
  return away.length === 0 ? String(members.length) : `${members.length}, ${away.join(', ')} away`
}

const age = (oldest) => {
  if (oldest === undefined) return ''
  const words = { exact: '', reckoned: 'about ', atLeast: 'over ' }
  return `${words[oldest.how]}${duration(oldest.ms)}`
}

export function queuesPanel() {
  const body = h('tbody')
  const more = h('p', { class: 'quiet' })
  let ages = {}
  let down = new Set()
  const rows = keyed(
    body,
    ({ vhost, name }) => `${vhost}\n${name}`,
    () => {
      const name = h('span')
      const state = h('span', { class: 'badge bad' })
      const cells = HEADS.slice(1).map(() => h('td'))
      const element = h('tr', {}, h('th', { scope: 'row' }, name, ' ', state), cells)
      return {
        element,
        update(queue) {
          const { state: now, type, leader = '–', ready, unacknowledged, consumers, published, delivered } = queue
          setText(name, visible(queue.title ?? queue.name))
          state.hidden = now === 'running'
          setText(state, now === 'unknown' ? 'state unknown' : now)
          setAttribute(state, 'class', `badge ${isAway(queue) ? 'bad' : 'plain'}`)
          setAttribute(element, 'data-role', queue.role)
          const texts = [
            ...[type, leader, membersOf(queue, down), count(ready), count(unacknowledged)],
            ready === undefined ? '–' : age(ages[`${queue.vhost}\n${queue.name}`]),
            ...[count(consumers), rate(published), rate(delivered)],
          ]
          for (const [index, text] of texts.entries()) setText(cells[index], text)
        },
      }
    },
  )
  return panel('queues', 'Queues', [table('Queues', HEADS, body), more], (event, data) => {
    if (event !== 'moment') return
    ages = data.ages
    down = new Set(data.nodes.filter(({ state }) => state === 'down' || state === 'frozen').map(({ name }) => name))
    const shown = [...data.queues.filter(({ role }) => role !== 'delay'), ...levels(data.queues)]
    rows(shown.sort((a, b) => ORDER[a.role] - ORDER[b.role] || (a.name < b.name ? -1 : 1)))
    more.hidden = data.queuesInAll === undefined
    setText(more, `The first ${count(data.queues.length)} of ${plural(data.queuesInAll ?? 0, 'queue')}, by name.`)
  })
}

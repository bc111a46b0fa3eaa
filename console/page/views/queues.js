/** Queues: where each is, what waits, what goes in and out, and whether what dies there is kept. */
import { h, setText } from '../dom.js'
import { count, duration, isAway, rate, visible } from '../format.js'
import { setBadge } from '../parts/badge.js'
import { filteredList } from '../parts/filteredList.js'
import { choiceFilter, filterBar, tabs, textFilter } from '../parts/filters.js'
import { list, textCell } from '../parts/list.js'
import { pager } from '../parts/pager.js'
import { viewHead } from '../parts/section.js'
import { sparkCell } from '../parts/spark.js'
import { href } from '../router.js'

const STATES = [
  ['', 'All'],
  ['waiting', 'With a backlog'],
  ['trouble', 'In trouble'],
  ['paused', 'Paused'],
]
const ROLES = [
  ['', 'any'],
  ['task', 'services’ queues'],
  ['deadLetters', 'dead letters'],
  ['delay', 'delays'],
  ['retry', 'retries of before'],
  ['other', 'others'],
]
const ASKED = ['q', 'role', 'state', 'sort', 'dir', 'page']

export const age = (oldest) => {
  if (oldest === undefined) return ''
  const words = { exact: '', reckoned: 'about ', atLeast: 'over ' }
  return `${words[oldest.how]}${duration(oldest.ms)}`
}

/** How many copies there are, and which of them are known to be away. */
export function membersOf({ members, online }, down) {
  if (members === undefined) return '–'
  const away = members.filter((member) => down.has(member) || online?.includes(member) === false)
  return away.length === 0 ? String(members.length) : `${members.length}, ${away.join(', ')} away`
}

const titleOf = ({ stands, name }) => (stands === undefined ? visible(name) : `delayed (${stands} queues)`)
const LETTERS = { kept: '✓', missing: '✗ missing', unbound: '✗ no queue', none: 'none' }

/** The name, and after it what is not as it should be. */
const nameCell = () => {
  const link = h('a')
  const state = h('span', { class: 'badge bad' })
  const paused = h('span', { class: 'badge warn' }, 'paused')
  return {
    element: h('span', { class: 'named' }, link, state, paused),
    update(queue) {
      setText(link, titleOf(queue))
      const { vhost, name, stands, state: now } = queue
      if (stands === undefined) link.setAttribute('href', href(['queues', vhost, name]))
      else link.setAttribute('href', href(['tasks'], { state: 'delayed' }))
      link.setAttribute('title', visible(name))
      state.hidden = now === 'running'
      setBadge(state, now === 'unknown' ? 'state unknown' : now, isAway(queue) ? 'bad' : 'plain')
      paused.hidden = queue.paused === undefined
      paused.title = queue.paused?.reason === undefined ? '' : visible(queue.paused.reason)
    },
  }
}

export function queuesView({ query }) {
  let down = new Set()
  const head = viewHead({ title: 'Queues' })
  const states = tabs('state', 'States', STATES)
  const filters = [textFilter('q', 'Name or service'), choiceFilter('role', 'Kind', ROLES)]
  const pages = pager()
  const more = h('p', { class: 'quiet', hidden: true })
  const table = list({
    label: 'Queues',
    empty: 'No queue fits.',
    key: ({ vhost, name }) => `${vhost}\n${name}`,
    sorted: () => queues.query(),
    columns: [
      { head: 'Queue', name: 'name', phone: 'main', sort: 'name', cell: nameCell },
      { head: 'Type', cell: textCell(({ type }) => type) },
      { head: 'Leader', cell: textCell(({ leader }) => leader ?? '–') },
      { head: 'Members', cell: textCell((queue) => membersOf(queue, down)) },
      { head: 'Last minutes', cell: sparkCell(({ trend }) => trend) },
      { head: 'Waiting', name: 'number', phone: 'side', sort: 'ready', cell: textCell(({ ready }) => count(ready)) },
      {
        head: 'Held',
        name: 'number',
        sort: 'unacknowledged',
        cell: textCell(({ unacknowledged }) => count(unacknowledged)),
      },
      {
        head: 'Oldest',
        name: 'number',
        phone: 'end',
        sort: 'age',
        cell: textCell(({ ready, age: oldest }) => (ready === undefined ? '–' : age(oldest))),
      },
      { head: 'Consumers', name: 'number', sort: 'consumers', cell: textCell(({ consumers }) => count(consumers)) },
      { head: 'In', name: 'number', sort: 'published', cell: textCell(({ published }) => rate(published)) },
      {
        head: 'Out',
        name: 'number',
        phone: 'sub',
        sort: 'delivered',
        cell: textCell(({ delivered }) => rate(delivered)),
      },
      {
        head: 'Dead letters',
        cell: textCell(({ role, deadLettering }) => (role === 'task' ? (LETTERS[deadLettering] ?? '–') : '')),
      },
    ],
  })
  const queues = filteredList({
    ...{ path: '/queues', query, asked: ASKED, filters: [states, ...filters] },
    show(page) {
      table.update(page.items)
      pages.update(page)
      more.hidden = page.problem === null
      setText(more, page.problem === null ? '' : 'RabbitMQ does not answer: the names are those of before.')
    },
  })
  return queues.view(
    'Queues',
    h(
      'div',
      { class: 'view queues' },
      ...[head.element, states.element, filterBar(...filters), queues.note, more, table.element, pages.element],
    ),
    ({ nodes }) => {
      down = new Set(nodes.filter(({ state }) => state === 'down' || state === 'frozen').map(({ name }) => name))
    },
  )
}

/** Workers of any service: what each runs and holds, what it waits for, and, on the local cluster, what can be done to it. */
import { h, setText } from '../dom.js'
import { ago, count, plural, rate, visible } from '../format.js'
import { processTone } from '../parts/badge.js'
import { filteredList } from '../parts/filteredList.js'
import { choiceFilter, filterBar, textFilter } from '../parts/filters.js'
import { badgeCell, list, textCell } from '../parts/list.js'
import { pager } from '../parts/pager.js'
import { processButtons, workerConsequences } from '../parts/processActs.js'
import { scaleForm } from '../parts/scale.js'
import { viewHead } from '../parts/section.js'

const ASKED = ['q', 'service', 'page']

function doing({ state, running, held, queues, ready, foreign }) {
  if (state !== 'running' && state !== 'connected') return ''
  const waiting = queues.filter((queue) => queue.state !== 'consuming' && queue.state !== 'paused')
  const [first] = waiting
  const trouble = first === undefined ? '' : `waits for ${first.queue}${first.reason ? `: ${first.reason}` : ''}`
  if (running === undefined) {
    return trouble || `takes from ${plural(queues.length, 'queue')}${foreign ? ', not a worker of Warren’s' : ''}`
  }
  const busy = running > 0 ? `runs ${plural(running, 'task')}` : 'idle'
  const more = held > running ? `, holds ${held - running} more` : ''
  return [`${busy}${more}`, trouble, ready === false && trouble === '' ? 'not ready' : '']
    .filter((part) => part !== '')
    .join('; ')
}

export function workersView({ query, session }) {
  const head = viewHead({ title: 'Workers' })
  const service = choiceFilter('service', 'Service', [['', 'any']])
  const filters = [textFilter('q', 'Name or queue'), service]
  const scale = session.can.control ? scaleForm() : undefined
  const total = h('p', { class: 'quiet', id: 'workers-total' })
  const pages = pager()
  const acts = () => {
    const element = h('span', { class: 'row-acts' })
    const buttons = processButtons(element, workerConsequences)
    return { element, update: ({ name, state, controlled }) => buttons(name, state, controlled) }
  }
  const table = list({
    label: 'Workers',
    key: ({ name }) => name,
    columns: [
      { head: 'Worker', phone: 'main', cell: textCell(({ name }) => visible(name)) },
      { head: 'State', phone: 'side', cell: badgeCell(({ state }) => [state, processTone(state)]) },
      { head: 'Service', cell: textCell(({ services }) => services.map(visible).join(', ') || '–') },
      { head: 'Doing', name: 'long', phone: 'sub', cell: textCell((worker) => visible(doing(worker))) },
      { head: 'Finishes', name: 'number', phone: 'end', cell: textCell(({ finished }) => rate(finished)) },
      { head: 'Since', name: 'number', cell: textCell(({ since }) => ago(since)) },
      { head: 'Restarts', name: 'number', cell: textCell(({ restarts }) => count(restarts)) },
      {
        head: 'From',
        cell: textCell(({ host, client }) => [host, client].filter(Boolean).map(visible).join(', ') || '–'),
      },
      ...(session.can.control ? [{ head: '', name: 'acts-cell', phone: 'acts', cell: acts }] : []),
    ],
  })
  const workers = filteredList({
    ...{ path: '/workers', query, asked: ASKED, filters },
    show(page) {
      const none = page.unknown
        ? 'Nobody has said yet which workers there are.'
        : page.inAll === 0
          ? 'Nobody takes from any queue.'
          : 'No worker fits.'
      table.update(page.items, none)
      pages.update(page)
      service.offer([['', 'any'], ...page.services.map((name) => [name, visible(name)])])
    },
  })
  const parts = [head.element, total, scale?.element, filterBar(...filters), workers.note, table.element, pages.element]
  return workers.view('Workers', h('div', { class: 'view workers' }, ...parts.filter(Boolean)), (data) => {
    const { inAll, busy, silent } = data.workers
    const known = busy === undefined ? '' : `, ${count(busy)} busy${silent > 0 ? `, ${count(silent)} silent` : ''}`
    setText(total, `${plural(inAll, 'worker')}${known}.`)
    scale?.look(data)
  })
}

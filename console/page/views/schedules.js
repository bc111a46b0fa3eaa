/** The schedules of all services: when each comes next, what it sent last, and whether it is paused. */
import { h, setText } from '../dom.js'
import { ago, dateTime, duration, visible } from '../format.js'
import { filteredList } from '../parts/filteredList.js'
import { choiceFilter, filterBar, tabs, textFilter } from '../parts/filters.js'
import { shortId } from '../parts/id.js'
import { badgeCell, linkCell, list, textCell } from '../parts/list.js'
import { pager } from '../parts/pager.js'
import { scheduleActs } from '../parts/scheduleActs.js'
import { viewHead } from '../parts/section.js'
import { href } from '../router.js'

const STATES = [
  ['', 'All'],
  ['paused', 'Paused'],
  ['problem', 'With a problem'],
]
const ASKED = ['q', 'service', 'state', 'page']

export const rhythmOf = ({ cron, everyMs, timeZone }) =>
  cron === undefined ? `every ${duration(everyMs)}` : `${cron} (${timeZone})`

export const scheduleState = ({ paused, problem, waiting }) => {
  if (problem !== undefined) return ['✗ problem', 'bad']
  if (paused !== undefined) return ['❚❚ paused', 'warn']
  return waiting === undefined ? ['✓ sends', 'good'] : ['… waits for its last', 'plain']
}

const lastCell = () => {
  const link = h('a')
  const never = h('span', { class: 'quiet' }, 'never')
  return {
    element: h('span', {}, link, never),
    update({ last }) {
      never.hidden = last !== undefined
      link.hidden = last === undefined
      if (last === undefined) return
      setText(link, `${ago(last.at)}, ${shortId(last.id)}`)
      link.setAttribute('href', href(['tasks', last.id]))
    },
  }
}

export function schedulesView({ query, session }) {
  const head = viewHead({ title: 'Schedules' })
  if (!session.can.tasks) {
    const why = 'This console has no result store (--results), and schedules are kept there.'
    return { title: 'Schedules', element: h('div', { class: 'view' }, head.element, h('p', { class: 'nothing' }, why)) }
  }
  const states = tabs('state', 'States', STATES)
  const service = choiceFilter('service', 'Service', [['', 'any']])
  const filters = [textFilter('q', 'Name or task'), service]
  const pages = pager()
  const acts = () => {
    const element = h('span', { class: 'row-acts' })
    let offered = ''
    return {
      element,
      update(item) {
        const text = `${item.service} ${item.id} ${item.task} ${item.paused === undefined}`
        if (text === offered) return
        offered = text
        element.replaceChildren(...scheduleActs(item, () => schedules.now()))
      },
    }
  }
  const table = list({
    label: 'Schedules',
    key: ({ service: of, id }) => `${of}\n${id}`,
    columns: [
      {
        head: 'Schedule',
        phone: 'main',
        cell: linkCell(
          ({ service: of, id }) => href(['schedules', of, id]),
          ({ id }) => visible(id),
        ),
      },
      { head: 'State', phone: 'side', cell: badgeCell(scheduleState) },
      { head: 'Service', cell: textCell(({ service: of }) => visible(of)) },
      { head: 'Task', phone: 'sub', cell: textCell(({ task }) => visible(task)) },
      { head: 'When', cell: textCell((item) => visible(rhythmOf(item))) },
      {
        head: 'Next',
        phone: 'end',
        cell: textCell(({ next, paused }) => (paused !== undefined || next === undefined ? '–' : ago(next))),
      },
      { head: 'Last', cell: lastCell },
      ...(session.can.act ? [{ head: '', name: 'acts-cell', cell: acts }] : []),
    ],
  })
  const schedules = filteredList({
    ...{ path: '/schedules', query, asked: ASKED, filters: [states, ...filters] },
    show(page) {
      const none =
        page.inAll === 0
          ? 'No service has a schedule. An application makes one with warren.schedules().upsert().'
          : 'No schedule fits.'
      table.update(page.items, none)
      pages.update(page)
      service.offer([['', 'any'], ...page.services.map((name) => [name, visible(name)])])
    },
  })
  return schedules.view(
    'Schedules',
    h(
      'div',
      { class: 'view' },
      ...[head.element, states.element, filterBar(...filters), schedules.note, table.element, pages.element],
    ),
  )
}

export const when = (at) => (at === undefined ? '–' : `${dateTime(at)} (${ago(at)})`)

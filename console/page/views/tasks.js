/** Tasks by state, with search. */
import { h, setText } from '../dom.js'
import { ago, count, dateTime, duration, excerpt, visible } from '../format.js'
import { loader } from '../loader.js'
import { taskState } from '../parts/badge.js'
import { filterBar, tabs, textFilter } from '../parts/filters.js'
import { idCell } from '../parts/id.js'
import { badgeCell, linkCell, list, textCell } from '../parts/list.js'
import { cursorPager } from '../parts/pager.js'
import { viewHead } from '../parts/section.js'
import { href } from '../router.js'

const STATES = [
  ['', 'All'],
  ['running', 'Running'],
  ['delayed', 'Delayed'],
  ['retrying', 'Retrying'],
  ['done', 'Done'],
  ['failed', 'Failed'],
  ['cancelled', 'Cancelled'],
]
const ASKED = ['state', 'task', 'q', 'queue', 'worker', 'since', 'until', 'after']

const between = (from, to) =>
  from === undefined || to === undefined ? '–' : duration(Date.parse(to) - Date.parse(from))
const outcome = ({ result, error }) =>
  error === undefined ? excerpt(result ?? { text: '' }) : `${visible(error.errorClass)}: ${excerpt(error.message)}`

export function tasksView({ query, session }) {
  let now = query
  const head = viewHead({ title: 'Tasks' })
  if (!session.can.tasks) {
    const why = 'This console has no result store (--results): nothing is known of tasks but what waits in queues.'
    return { title: 'Tasks', element: h('div', { class: 'view' }, head.element, h('p', { class: 'nothing' }, why)) }
  }
  const states = tabs('state', 'States', STATES)
  const [task, words] = [
    textFilter('task', 'Task', { placeholder: 'whole name' }),
    textFilter('q', 'Id, name or error'),
  ]
  const queue = textFilter('queue', 'Queue')
  const worker = textFilter('worker', 'Worker')
  const filters = [task, words, queue, worker]
  const pager = cursorPager()
  const note = h('p', { class: 'quiet' })
  const table = list({
    label: 'Tasks',
    key: ({ id, doneAt = '', attempt = 0 }) => `${id} ${doneAt} ${attempt}`,
    columns: [
      {
        head: 'Task',
        phone: 'main',
        cell: linkCell(
          ({ id }) => href(['tasks', id]),
          ({ task: name }) => visible(name ?? '(not named)'),
        ),
      },
      { head: 'State', phone: 'side', cell: badgeCell(({ status }) => taskState(status)) },
      { head: 'Id', phone: 'sub', cell: idCell(({ id }) => href(['tasks', id])) },
      { head: 'Attempt', name: 'number', cell: textCell(({ attempt }) => count(attempt)) },
      { head: 'Queued', name: 'number', cell: textCell(({ queuedAt, startedAt }) => between(queuedAt, startedAt)) },
      { head: 'Took', name: 'number', cell: textCell(({ startedAt, doneAt }) => between(startedAt, doneAt)) },
      {
        head: 'When',
        name: 'number',
        phone: 'end',
        cell: textCell(({ doneAt, startedAt, queuedAt }) => ago(doneAt ?? startedAt ?? queuedAt)),
      },
      { head: 'Worker', cell: textCell(({ worker: name }) => visible(name ?? '–')) },
      { head: 'Result or error', name: 'long', cell: textCell(outcome) },
    ],
  })
  const load = loader(
    () => {
      if (now.state === 'delayed') return undefined
      const asked = ASKED.flatMap((name) => (now[name] ? [[name, now[name]]] : []))
      return `/tasks?${new URLSearchParams(asked)}`
    },
    ({ items, next, source, searchedTo }) => {
      const filtered = ASKED.some((name) => name !== 'after' && now[name])
      table.update(items, filtered ? 'No task that is known fits.' : 'No task has ended since somebody looked on.')
      const looked = searchedTo === undefined ? '' : `; looked through back to ${dateTime(searchedTo)}`
      pager.update(`${count(items.length)} shown${looked}`, next, !now.after)
      setText(
        note,
        source === 'sample'
          ? 'The store keeps no history: these are a sample of what ended while somebody looked on, at most 20 a second.'
          : '',
      )
    },
  )
  const delayed = h(
    'p',
    { class: 'nothing', hidden: true },
    'Delayed messages wait in the broker’s delay levels, which RabbitMQ counts and does not list. One is found by its id: open it, and cancel it there.',
  )
  const found = h('div', {}, load.note, table.element, pager.element, note)
  let figures = {}
  const update = () => {
    states.update(now, figures)
    for (const filter of filters) filter.update(now)
    delayed.hidden = now.state !== 'delayed'
    found.hidden = !delayed.hidden
  }
  update()
  void load.now()
  return {
    title: 'Tasks',
    element: h('div', { class: 'view' }, head.element, states.element, filterBar(...filters), delayed, found),
    query(next) {
      now = next
      update()
      void load.now()
    },
    on(event, data) {
      if (event !== 'moment') return
      figures = { delayed: data.delayed === undefined ? undefined : count(data.delayed) }
      states.update(now, figures)
      // Who turned the page looks at what was, not at what comes.
      if (!now.after) load.again()
    },
    close() {
      load.close()
      for (const filter of filters) filter.close()
    },
  }
}

/** Flows: those whose members are among the latest tasks, and any other by its id. */
import { h } from '../dom.js'
import { ago, excerpt, visible } from '../format.js'
import { flowState } from '../parts/badge.js'
import { filteredList } from '../parts/filteredList.js'
import { tabs, textFilter } from '../parts/filters.js'
import { shortId } from '../parts/id.js'
import { badgeCell, linkCell, list, textCell } from '../parts/list.js'
import { pager } from '../parts/pager.js'
import { viewHead } from '../parts/section.js'
import { go, href } from '../router.js'

const STATES = [
  ['', 'All'],
  ['running', 'Running'],
  ['succeeded', 'Succeeded'],
  ['failed', 'Failed'],
  ['cancelled', 'Cancelled'],
]
const ASKED = ['q', 'state', 'page']

export function flowsView({ query, session }) {
  const head = viewHead({ title: 'Flows' })
  if (!session.can.tasks) {
    const why = 'This console has no result store (--results), and flows are kept there.'
    return { title: 'Flows', element: h('div', { class: 'view' }, head.element, h('p', { class: 'nothing' }, why)) }
  }
  const states = tabs('state', 'States', STATES)
  const words = textFilter('q', 'Id or reason')
  const id = h('input', { id: 'flow-id', autocomplete: 'off', spellcheck: 'false', required: true, maxlength: '190' })
  const open = h(
    'form',
    {
      class: 'line',
      onsubmit: (event) => {
        event.preventDefault()
        go(href(['flows', id.value.trim()]))
      },
    },
    h('div', { class: 'field' }, h('label', { for: 'flow-id' }, 'Flow id'), id),
    h('button', { type: 'submit' }, 'Open'),
  )
  const pages = pager()
  const table = list({
    label: 'Flows',
    key: (flow) => flow.id,
    columns: [
      {
        head: 'Flow',
        phone: 'main',
        cell: linkCell(
          (flow) => href(['flows', flow.id]),
          (flow) => shortId(flow.id),
        ),
      },
      { head: 'State', phone: 'side', cell: badgeCell((flow) => flowState(flow.state)) },
      { head: 'Started', phone: 'end', cell: textCell((flow) => ago(flow.startedAt)) },
      { head: 'Ended', cell: textCell((flow) => ago(flow.endedAt)) },
      {
        head: 'If a member fails',
        cell: textCell((flow) => (flow.onFailure === 'fail' ? 'it fails' : 'it continues')),
      },
      {
        head: 'Why',
        name: 'long',
        phone: 'sub',
        cell: textCell(({ reason, text }) =>
          reason === undefined ? '' : `${visible(reason)}: ${excerpt(text ?? { text: '' })}`,
        ),
      },
    ],
  })
  const flows = filteredList({
    ...{ path: '/flows', query, asked: ASKED, filters: [states, words], everyMs: 4_000 },
    show(page) {
      table.update(page.items, page.inAll === 0 ? 'No member of a flow is among the latest tasks.' : 'No flow fits.')
      pages.update(page)
    },
  })
  const about = h(
    'p',
    { class: 'quiet' },
    'The store keeps flows by their ids alone: listed are those whose members are among the latest tasks.',
  )
  const filters = h('div', { class: 'filters' }, words.element, open)
  return flows.view(
    'Flows',
    h(
      'div',
      { class: 'view' },
      ...[head.element, states.element, filters, flows.note, table.element, pages.element, about],
    ),
  )
}

/** One flow: how it stands, and its members. */
import { post } from '../api.js'
import { h } from '../dom.js'
import { count, dateTime, excerpt, visible } from '../format.js'
import { loader } from '../loader.js'
import { actButton } from '../parts/act.js'
import { badge, flowState, setBadge } from '../parts/badge.js'
import { copyButton, idCell, shortId } from '../parts/id.js'
import { badgeCell, linkCell, list, textCell } from '../parts/list.js'
import { pager } from '../parts/pager.js'
import { facts, section, viewHead } from '../parts/section.js'
import { href } from '../router.js'

export function flowView({ params: { id }, query, session }) {
  let now = query
  const path = `/flows/${encodeURIComponent(id)}`
  const state = badge('…')
  const acts = h('div', { class: 'acts' })
  const head = viewHead({ title: shortId(id), trail: [['Flows', href(['flows'])]], acts })
  head.element.firstChild.append(h('p', { class: 'id' }, visible(id), ' ', copyButton(id)), h('p', {}, state))
  const said = h('div')
  const bar = h('div', { class: 'flow-bar' })
  const pages = pager()
  const table = list({
    label: 'Members',
    key: (member) => member.id,
    columns: [
      {
        head: 'Task',
        phone: 'main',
        cell: linkCell(
          (member) => href(['tasks', member.id]),
          (member) => visible(member.task),
        ),
      },
      { head: 'State', phone: 'side', cell: badgeCell((member) => flowState(member.state)) },
      { head: 'Id', phone: 'sub', cell: idCell((member) => href(['tasks', member.id])) },
      {
        head: 'Why',
        name: 'long',
        cell: textCell(({ reason, text }) =>
          reason === undefined ? '' : `${visible(reason)}: ${excerpt(text ?? { text: '' })}`,
        ),
      },
    ],
  })
  const cancel = actButton({
    ...{ text: 'Cancel …', label: 'Cancel this flow', tone: 'danger', small: false },
    ask: () => ({
      title: `Cancel the flow ${shortId(id)}?`,
      sentences: [
        'Members that were not sent are never sent. Those that wait are not run; those that run have their signal aborted.',
        'Members that have ended keep their results. Whoever waits for the flow’s result is told that it was cancelled.',
      ],
      act: 'Cancel the flow',
    }),
    act: async () => {
      const { state: ended } = await post(`${path}/cancel`)
      await load.now()
      return `The flow is ${ended}`
    },
  })
  let ended = false
  const load = loader(
    () => `${path}?${new URLSearchParams(now.page ? { page: now.page } : {})}`,
    (flow) => {
      ended = flow.endedAt !== undefined
      setBadge(state, ...flowState(flow.state))
      const offered = session.can.act && flow.state === 'running' ? [cancel] : []
      if (acts.firstChild !== (offered[0] ?? null)) acts.replaceChildren(...offered)
      said.replaceChildren(
        facts(
          [
            ['Started', dateTime(flow.startedAt)],
            ['Ended', flow.endedAt && dateTime(flow.endedAt)],
            ['Deadline', flow.endedAt === undefined && dateTime(flow.deadline)],
            ['If a member fails', flow.onFailure === 'fail' ? 'the flow fails' : 'the rest continues'],
            ['Why', flow.reason && `${visible(flow.reason)}: ${excerpt(flow.text ?? { text: '' })}`],
            ['Ended by', flow.member && h('a', { href: href(['tasks', flow.member.id]) }, visible(flow.member.task))],
          ],
          'facts across',
        ),
      )
      const counts = Object.entries(flow.counts)
      bar.replaceChildren(
        ...counts.map(([name, number]) => badge(`${count(number)} ${flowState(name)[0]}`, flowState(name)[1])),
      )
      table.update(flow.members.items)
      pages.update(flow.members)
    },
  )
  load.onFailure(({ status }) => {
    if (status === 404) setBadge(state, 'not known', 'plain')
  })
  void load.now()
  return {
    title: shortId(id),
    element: h(
      'div',
      { class: 'view' },
      head.element,
      load.note,
      section('The flow', {}, said),
      section('Members', { wide: true }, bar, table.element, pages.element),
    ),
    query(next) {
      now = next
      void load.now()
    },
    on(event) {
      if (event === 'moment' && !ended) load.again()
    },
    close: load.close,
  }
}

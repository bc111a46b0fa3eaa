/** Where dead letters are, and how many. */
import { h } from '../dom.js'
import { count, isAway, visible } from '../format.js'
import { loader } from '../loader.js'
import { badgeCell, linkCell, list, textCell } from '../parts/list.js'
import { viewHead } from '../parts/section.js'
import { href } from '../router.js'

export function deadLetterQueuesView() {
  const head = viewHead({
    title: 'Dead letters',
    about: 'Messages that could not be processed. They stay until somebody sends them back or removes them.',
  })
  const table = list({
    label: 'Queues of dead letters',
    empty: 'No queue for dead letters is known. An operator predefines them: warren definitions.',
    key: ({ queue }) => queue,
    columns: [
      {
        head: 'Queue',
        phone: 'main',
        cell: linkCell(
          ({ queue }) => href(['dead-letters', queue]),
          ({ queue }) => visible(queue),
        ),
      },
      { head: 'Dead letters', name: 'number', phone: 'side', cell: textCell(({ ready }) => count(ready)) },
      {
        head: 'State',
        phone: 'sub',
        cell: badgeCell((queue) => [
          queue.state === 'unknown' ? 'state unknown' : queue.state,
          isAway(queue) ? 'bad' : queue.state === 'unknown' ? 'plain' : 'good',
        ]),
      },
    ],
  })
  const load = loader(
    () => '/dead-letters',
    (queues) => table.update(queues.sort((a, b) => (b.ready ?? -1) - (a.ready ?? -1) || (a.queue < b.queue ? -1 : 1))),
  )
  void load.now()
  return {
    title: 'Dead letters',
    element: h('div', { class: 'view' }, head.element, load.note, table.element),
    query: () => undefined,
    on(event) {
      if (event === 'moment') load.again()
    },
    close: load.close,
  }
}

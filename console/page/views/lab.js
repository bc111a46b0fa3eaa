/** Where the cluster is given work, and broken on purpose: bursts, scaling, drills. */
import { h } from '../dom.js'
import { burstForm } from '../parts/burst.js'
import { drillForm } from '../parts/drill.js'
import { scaleForm } from '../parts/scale.js'
import { section, viewHead } from '../parts/section.js'
import { href } from '../router.js'

export function labView({ session, live }) {
  const { can } = session
  const head = viewHead({ title: 'Lab', about: 'Give the cluster work, and see what becomes of it.' })
  const burst = can.burst ? burstForm() : undefined
  const scale = can.control ? scaleForm() : undefined
  const drill = can.drills ? drillForm() : undefined
  const parts = [
    burst && section('A burst of tasks', { wide: true }, burst.element),
    scale && section('How many workers', {}, scale.element),
    can.control &&
      section(
        'Faults',
        {},
        h(
          'p',
          {},
          'Stop, kill and freeze ',
          h('a', { href: href(['cluster']) }, 'nodes and the store'),
          ' or ',
          h('a', { href: href(['workers']) }, 'workers'),
          '; each says first what it means just now.',
        ),
      ),
    drill && section('Drills', { wide: true, name: 'drills' }, drill.element),
  ].filter(Boolean)
  burst?.look(live.burst)
  drill?.look(live.drill)
  return {
    title: 'Lab',
    element: h(
      'div',
      { class: 'view lab' },
      head.element,
      parts.length > 0
        ? h('div', { class: 'columns' }, parts)
        : h('p', { class: 'nothing' }, 'You may look, and change nothing here.'),
    ),
    query: () => undefined,
    on(event, data) {
      if (event === 'moment') scale?.look(data)
      if (event === 'burst' || event === 'hello') burst?.look(live.burst)
      if (event === 'drill' || event === 'hello') drill?.look(live.drill)
    },
  }
}

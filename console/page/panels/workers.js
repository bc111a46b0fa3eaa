/** The workers, and what each of them is doing. */
import { h, keyed, setAttribute, setText } from '../dom.js'
import { plural, rate, visible } from '../format.js'
import { panel, table } from './panel.js'
import { actButton, actsFor } from './processActs.js'

const CONSEQUENCES = {
  stop: 'It finishes what it holds, takes nothing new, and ends.',
  kill: 'What it holds goes to other workers at once; an attempt that was under way is run again.',
  freeze: 'What it holds waits for it, until RabbitMQ gives its connection up for missed heartbeats.',
}

function doing({ state, running, held, queues, ready }) {
  if (state !== 'running' && state !== 'connected') return ''
  const waiting = queues.filter((queue) => queue.state !== 'consuming')
  const [first] = waiting
  const trouble = first === undefined ? '' : `waits for ${first.queue}${first.reason ? `: ${first.reason}` : ''}`
  if (running === undefined) return trouble || `takes from ${plural(queues.length, 'queue')}`
  const busy = running > 0 ? `runs ${plural(running, 'task')}` : 'idle'
  const more = held > running ? `, holds ${held - running} more` : ''
  return [`${busy}${more}`, trouble, ready === false && trouble === '' ? 'not ready' : '']
    .filter((part) => part !== '')
    .join('; ')
}

export function workersPanel({ can }) {
  const body = h('tbody')
  const total = h('p', { class: 'quiet', id: 'workers-total' })
  const heads = ['Worker', 'State', 'Doing', 'Finishes', ...(can.control ? ['Acts'] : [])]
  const rows = keyed(
    body,
    ({ name }) => name,
    (first) => {
      const state = h('span', { class: 'badge' })
      const [what, finishes, acts] = [h('td'), h('td'), h('td', { class: 'acts' })]
      let offered = ''
      return {
        element: h(
          'tr',
          {},
          h('th', { scope: 'row' }, visible(first.name)),
          h('td', {}, state),
          what,
          finishes,
          can.control && acts,
        ),
        update(worker) {
          const well = worker.state === 'running' || worker.state === 'connected'
          setText(state, worker.state)
          setAttribute(state, 'class', `badge ${well ? 'good' : worker.state === 'starting' ? 'plain' : 'bad'}`)
          setText(what, visible(doing(worker)))
          setText(finishes, rate(worker.finished))
          const possible = can.control && worker.controlled ? actsFor(worker.state) : []
          if (possible.join() === offered) return
          offered = possible.join()
          acts.replaceChildren(
            ...possible.map((action) =>
              actButton(worker.name, action, () => [CONSEQUENCES[action]].filter((sentence) => sentence !== undefined)),
            ),
          )
        },
      }
    },
  )
  return panel('workers', 'Workers', [total, table('Workers', heads, body)], (event, data) => {
    if (event !== 'moment') return
    const { workers, workersUnknown } = data
    rows(workers)
    const busy = workers.filter(({ running }) => running > 0).length
    const silent = workers.filter(({ running }) => running === undefined).length
    const known = silent < workers.length ? `, ${busy} busy${silent > 0 ? `, ${silent} silent` : ''}` : ''
    setText(total, `${plural(workersUnknown ? undefined : workers.length, 'worker')}${known}.`)
  })
}

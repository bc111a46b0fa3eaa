/** A drill: its ledger and its verdict as they come. */
import { get, post, remove } from '../api.js'
import { confirmAct, during } from '../dialog.js'
import { h, keyed, setAttribute, setText } from '../dom.js'
import { count, duration, visible } from '../format.js'

const COUNTS = [
  ['sent', 'sent'],
  ['confirmed', 'confirmed'],
  ['run', 'run'],
  ['settled', 'settled'],
  ['stored', 'stored'],
  ['deadLettered', 'dead-lettered'],
  ['lost', 'lost'],
  ['duplicated', 'run twice'],
]

export function drillForm() {
  const select = h('select', { id: 'drill', onchange: () => about() })
  const does = h('p', { class: 'quiet' })
  const run = h('button', { type: 'submit', class: 'primary' }, 'Run it …')
  const end = h(
    'button',
    { type: 'button', hidden: true, onclick: () => during(end, () => remove('/drills')) },
    'End it',
  )
  const state = h('p', { id: 'drill-state' })
  const ledger = h('dl', { class: 'ledger' })
  const values = new Map(
    COUNTS.map(([key, title]) => {
      const value = h('dd', {}, '–')
      ledger.append(h('div', {}, h('dt', {}, title), value))
      return [key, value]
    }),
  )
  ledger.hidden = true
  const log = h('ol', { class: 'lines' })
  const region = h('div', { class: 'scroll', tabindex: '0', role: 'log', 'aria-label': 'What the drill says' }, log)
  region.hidden = true
  const lines = keyed(
    log,
    ({ key }) => key,
    ({ text }) => ({ element: h('li', {}, visible(text)), update: () => undefined }),
  )
  let known = []
  const about = () => {
    const drill = known.find(({ name }) => name === select.value)
    setText(does, drill === undefined ? '' : `${drill.does} What must hold: ${drill.holds}`)
  }
  const load = async () => {
    if (known.length > 0) return
    known = await get('/drills')
    select.replaceChildren(...known.map(({ name }) => h('option', { value: name }, name)))
    about()
  }
  const form = h(
    'form',
    {
      class: 'line',
      'aria-label': 'A drill',
      onsubmit: async (event) => {
        event.preventDefault()
        const drill = known.find(({ name }) => name === select.value)
        if (drill === undefined) return
        const agreed = await confirmAct({
          title: `Run the drill ${drill.name}?`,
          sentences: [
            drill.does,
            'It runs on a cluster of its own: three more nodes and four workers, about 1 GB of memory, for a minute or two. This cluster is not touched, but the machine is shared.',
          ],
          act: 'Run it',
        })
        if (agreed) await during(run, () => post(`/drills/${encodeURIComponent(drill.name)}`))
      },
    },
    h('div', { class: 'field' }, h('label', { for: 'drill' }, 'Drill'), select),
    run,
    end,
  )
  load().catch((error) => setText(does, `The drills cannot be listed: ${error.message}`))
  return {
    element: h('div', {}, form, does, state, ledger, region),
    look(drill) {
      if (drill === undefined) return
      const { name, state: now, verdict, tookMs } = drill
      end.hidden = now !== 'running'
      ledger.hidden = drill.ledger === undefined
      region.hidden = false
      for (const [key, value] of values) setText(value, count(drill.ledger?.[key]))
      lines(drill.lines.map((text, index) => ({ key: `${drill.startedAt} ${index} ${text}`, text })))
      region.scrollTop = region.scrollHeight
      setAttribute(state, 'data-verdict', verdict?.verdict ?? '')
      const why = [...(verdict?.reasons ?? []), ...(verdict?.remarks ?? [])].map(visible).join('; ')
      if (verdict !== undefined) setText(state, `${name}: ${verdict.verdict}${why === '' ? '' : ` (${why})`}`)
      else
        setText(
          state,
          now === 'running' ? `${name}: running for ${duration(tookMs)}` : `${name}: ended without a verdict`,
        )
    },
  }
}

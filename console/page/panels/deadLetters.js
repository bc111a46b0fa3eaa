/** Dead letters by reason: browse them, send them back, remove them. */
import { get, post } from '../api.js'
import { confirmAct, during, notice, show } from '../dialog.js'
import { h, keyed, setText } from '../dom.js'
import { bytes, clock, count, excerpt, plural, visible } from '../format.js'
import { letterDetails } from './letter.js'
import { panel, table } from './panel.js'

const HEADS = ['Id', 'Task', 'Why', 'Died', 'Attempts', 'Size']

export function deadLettersPanel({ can, vhost }) {
  const queue = h('select', { id: 'dlq', onchange: () => clear() })
  const reason = h('select', { id: 'dlq-reason' }, h('option', { value: '' }, 'any reason'))
  const [task, text] = ['dlq-task', 'dlq-text'].map((id) =>
    h('input', { id, autocomplete: 'off', spellcheck: 'false' }),
  )
  const browse = h('button', { type: 'submit' }, 'Browse')
  const redrive = h(
    'button',
    { type: 'button', class: 'primary', onclick: () => sweep('redrive', redrive) },
    'Send back …',
  )
  const purge = h('button', { type: 'button', class: 'danger', onclick: () => sweep('purge', purge) }, 'Remove …')
  const note = h('p', { class: 'quiet', role: 'status', id: 'dlq-note' })
  const body = h('tbody')
  const rows = keyed(
    body,
    ({ key }) => key,
    (letter) => ({ element: row(letter, () => queue.value), update: () => undefined }),
  )
  const found = table('Dead letters', HEADS, body)
  found.hidden = true
  const names = keyed(
    queue,
    ({ name }) => name,
    ({ name }) => {
      const element = h('option', { value: name })
      return { element, update: ({ ready }) => setText(element, `${name} (${count(ready)})`) }
    },
  )
  const clear = () => {
    rows([])
    found.hidden = true
    setText(note, '')
    reasons({})
  }
  const reasons = (counts) => {
    const kept = reason.value
    const options = Object.entries(counts).sort(([, a], [, b]) => b - a)
    reason.replaceChildren(
      h('option', { value: '' }, 'any reason'),
      ...options.map(([name, number]) => h('option', { value: name }, `${visible(name)} (${count(number)})`)),
    )
    if (options.some(([name]) => name === kept)) reason.value = kept
  }
  const filter = () =>
    Object.fromEntries(
      Object.entries({ reason: reason.value, task: task.value.trim(), text: text.value.trim() }).filter(
        ([, value]) => value !== '',
      ),
    )
  const path = () => `/dead-letters/${encodeURIComponent(queue.value)}`
  const load = async () => {
    const filtered = filter()
    const looked = await get(`${path()}?${new URLSearchParams(filtered)}`)
    rows(looked.letters.map((letter, index) => ({ ...letter, key: `${index} ${letter.id}` })))
    found.hidden = looked.letters.length === 0
    if (filtered.reason === undefined) reasons(looked.reasons)
    const why = Object.entries(looked.reasons).map(([name, number]) => `${count(number)} ${visible(name)}`)
    const some = looked.letters.length < looked.scanned ? `, the first ${count(looked.letters.length)} shown` : ''
    setText(
      note,
      looked.scanned === 0
        ? `${queue.value} holds no dead letter${meaning(filtered)}.`
        : `${looked.more ? 'At least ' : ''}${plural(looked.scanned, 'dead letter')}${meaning(filtered)}: ${why.join(', ')}${some}.`,
    )
  }
  const sweep = (verb, button) =>
    during(button, async () => {
      const name = queue.value
      const body = { filter: filter(), dryRun: true }
      const dry = await post(`${path()}/${verb}`, body)
      const would = dry.matched - dry.kept
      if (would === 0) {
        notice(
          dry.kept > 0 ? `None can be sent back: ${dry.problems?.[0]?.message}` : 'There are none to deal with.',
          'bad',
        )
        return
      }
      const agreed = await confirmAct(
        verb === 'redrive' ? askRedrive(name, dry, would, body.filter) : askPurge(name, would, body.filter),
      )
      if (!agreed) return
      const done = await post(`${path()}/${verb}`, { ...body, dryRun: false })
      const kept = done.kept > 0 ? `; ${count(done.kept)} stay` : ''
      notice(
        `${plural(done.done, 'dead letter')} ${verb === 'redrive' ? 'sent back' : 'removed'}${kept}`,
        done.kept > 0 ? 'bad' : 'good',
      )
      await load()
    })
  const form = h(
    'form',
    {
      class: 'line',
      onsubmit: (event) => {
        event.preventDefault()
        void during(browse, load)
      },
    },
    h('div', { class: 'field' }, h('label', { for: 'dlq' }, 'Queue'), queue),
    h('div', { class: 'field' }, h('label', { for: 'dlq-reason' }, 'Reason'), reason),
    h('div', { class: 'field' }, h('label', { for: 'dlq-task' }, 'Of the task'), task),
    h('div', { class: 'field' }, h('label', { for: 'dlq-text' }, 'Containing'), text),
    browse,
    can.act && redrive,
    can.act && purge,
  )
  return panel('dead-letters', 'Dead letters', [form, note, found], (event, data) => {
    if (event !== 'moment') return
    names(data.queues.filter((queue) => queue.role === 'deadLetters' && queue.vhost === vhost))
  })
}

/** Which dead letters a filter means, as the end of a sentence. */
const meaning = ({ reason, task, text }) =>
  [
    reason === undefined ? '' : ` that ended as ${visible(reason)}`,
    task === undefined ? '' : ` of the task ${visible(task)}`,
    text === undefined ? '' : ` with “${visible(text)}”`,
  ].join('')

const askRedrive = (name, { destinations, problems, kept }, would, filter) => ({
  title: `Send ${plural(would, 'dead letter')} of ${name} back${meaning(filter)}?`,
  sentences: [
    ...destinations.map(
      (each) =>
        `${count(each.count)} to ${visible(each.exchange) || '(default exchange)'} → ${visible(each.routingKey)}`,
    ),
    ...(kept > 0
      ? [`${count(kept)} cannot be sent, and stay: ${problems.map(({ message }) => visible(message)).join('; ')}`]
      : []),
    'Each goes as a fresh message with all attempts before it, and is removed here once RabbitMQ has confirmed it there.',
  ],
  act: `Send ${count(would)} back`,
})

const askPurge = (name, would, filter) => ({
  title: `Remove ${plural(would, 'dead letter')} of ${name}${meaning(filter)} for good?`,
  sentences: ['Their content is lost. Nothing brings them back.'],
  act: `Remove ${count(would)}`,
  danger: true,
})

function row({ id, task = '', why, diedAt, attempts = '', bytes: size }, queue) {
  const open = h(
    'button',
    {
      type: 'button',
      class: 'as-link',
      onclick: () =>
        during(open, async () => {
          const letters = await get(`/dead-letters/${encodeURIComponent(queue())}/${encodeURIComponent(id)}`)
          show(`Dead letter ${visible(id)}`, ...letters.map(letterDetails))
        }),
    },
    visible(id),
  )
  const cells = [visible(task), excerpt(why), diedAt === undefined ? '' : clock(diedAt), String(attempts), bytes(size)]
  return h(
    'tr',
    {},
    h('th', { scope: 'row' }, open),
    cells.map((cell) => h('td', {}, cell)),
  )
}

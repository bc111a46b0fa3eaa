/** Tasks that ended just now, and any task by its id. */
import { get } from '../api.js'
import { during, show } from '../dialog.js'
import { h, keyed, setAttribute, setText } from '../dom.js'
import { clock, count, excerpt, plural, visible } from '../format.js'
import { letterDetails } from './letter.js'
import { badge, panel, table } from './panel.js'

const MOST = 50
const TONES = { SUCCESS: 'good', FAILURE: 'bad', REVOKED: 'bad', RETRY: 'warn' }
const HEADS = ['Task id', 'State', 'Attempt', 'Ended', 'Worker', 'Result or error']

const outcome = ({ result, error }) =>
  error === undefined ? excerpt(result ?? { text: '' }) : `${visible(error.errorClass)}: ${excerpt(error.message)}`

export function tasksPanel() {
  const input = h('input', {
    id: 'task-id',
    autocomplete: 'off',
    spellcheck: 'false',
    required: true,
    maxlength: '255',
  })
  const find = h('button', { type: 'submit' }, 'Look up')
  const form = h(
    'form',
    {
      class: 'line',
      onsubmit: (event) => {
        event.preventDefault()
        void during(find, () => showTask(input.value.trim()))
      },
    },
    h('div', { class: 'field grow' }, h('label', { for: 'task-id' }, 'Task id'), input),
    find,
  )
  const body = h('tbody')
  const note = h('p', { class: 'quiet' }, 'None has ended since somebody looked on.')
  let recent = []
  const rows = keyed(
    body,
    ({ id }) => id,
    (first) => {
      const open = h(
        'button',
        { type: 'button', class: 'as-link', onclick: () => during(open, () => showTask(first.id)) },
        visible(first.id),
      )
      const state = h('span', { class: 'badge' })
      const cells = [h('td', {}, state), ...HEADS.slice(2).map(() => h('td'))]
      return {
        element: h('tr', {}, h('th', { scope: 'row' }, open), cells),
        update(task) {
          setText(state, visible(task.status))
          setAttribute(state, 'class', `badge ${TONES[task.status] ?? 'plain'}`)
          const texts = [
            task.attempt ?? '',
            task.doneAt === undefined ? '' : clock(task.doneAt),
            visible(task.worker ?? ''),
            outcome(task),
          ]
          for (const [index, text] of texts.entries()) setText(cells[index + 1], text)
        },
      }
    },
  )
  const add = (tasks) => {
    const fresh = new Set(tasks.map(({ id }) => id))
    recent = [...tasks, ...recent.filter(({ id }) => !fresh.has(id))].slice(0, MOST)
    rows(recent)
  }
  return panel('tasks', 'Tasks', [form, note, table('Recent tasks', HEADS, body)], (event, data) => {
    if (event === 'hello') {
      recent = []
      add(data.tasks)
    }
    if (event === 'tasks') add(data.tasks)
    if ((event !== 'hello' && event !== 'tasks') || recent.length === 0) return
    setText(
      note,
      data.more === true
        ? `The last ${count(recent.length)} that were caught; more end than can be shown.`
        : `The last ${plural(recent.length, 'task')}.`,
    )
  })
}

async function showTask(id) {
  const { stored, traceback, payload, deadLetters } = await get(`/tasks/${encodeURIComponent(id)}`)
  const facts = []
  const fact = (title, ...value) => facts.push(h('div', {}, h('dt', {}, title), h('dd', {}, value)))
  if (stored === null) {
    fact(
      'Result',
      'The store holds none: it has not ended yet, it expired in its queue, or its result was kept for its time and is gone.',
    )
  } else {
    fact('State', badge(visible(stored.status), TONES[stored.status] ?? 'plain'))
    if (stored.attempt !== undefined) fact('Attempt', String(stored.attempt))
    if (stored.doneAt !== undefined) fact('Ended', new Date(stored.doneAt).toLocaleString('en-GB'))
    if (stored.error === undefined) fact('Result', h('pre', {}, excerpt(stored.result)))
    else fact('Error', h('pre', {}, `${visible(stored.error.errorClass)}: ${excerpt(stored.error.message)}`))
    if (traceback !== null) fact('Stack', h('pre', {}, visible(traceback)))
  }
  if (payload !== null) {
    fact('Task', visible(payload.task))
    fact('Payload', h('pre', {}, excerpt(payload.input)))
  } else if (deadLetters.length === 0) {
    fact(
      'Payload',
      'Not kept: RabbitMQ forgets a message that is done. Those of bursts from this page are remembered for a while, and dead letters have theirs.',
    )
  }
  const letters = deadLetters.map((letter) => h('div', {}, h('h3', {}, 'A dead letter'), letterDetails(letter)))
  show(`Task ${visible(id)}`, h('dl', { class: 'facts' }, facts), ...letters)
}

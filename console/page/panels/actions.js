/** Sends bursts of tasks, and scales the workers. */
import { post, remove } from '../api.js'
import { confirmAct, during } from '../dialog.js'
import { h, setAttribute, setText } from '../dom.js'
import { count, duration, plural } from '../format.js'
import { panel } from './panel.js'

export function actionsPanel({ can }) {
  const parts = [can.burst ? burstForm() : undefined, can.control ? scaleForm() : undefined].filter(
    (part) => part !== undefined,
  )
  return panel(
    'actions',
    'Give it work',
    parts.map(({ element }) => element),
    (event, data) => {
      for (const part of parts) part.on(event, data)
    },
  )
}

function field(id, label, props) {
  const input = h('input', { id, ...props })
  return { input, element: h('div', { class: 'field' }, h('label', { for: id }, label), input) }
}

function check(id, label) {
  const input = h('input', { id, type: 'checkbox' })
  return { input, element: h('div', { class: 'check' }, input, h('label', { for: id }, label)) }
}

/** More than this at once fills a small machine's queues for minutes. */
const MANY = 20_000

function burstForm() {
  const number = field('burst-count', 'Tasks', {
    type: 'number',
    min: '1',
    max: '100000',
    value: '100',
    required: true,
  })
  const seconds = field('burst-seconds', 'Seconds each', {
    type: 'number',
    min: '0',
    max: '60',
    step: 'any',
    value: '0.1',
    required: true,
  })
  const random = check('burst-random', 'random times')
  const quorum = check('burst-quorum', 'payments (quorum queue)')
  const send = h('button', { type: 'submit', class: 'primary' }, 'Send the burst')
  const end = h(
    'button',
    { type: 'button', hidden: true, onclick: () => during(end, () => remove('/burst')) },
    'End it',
  )
  const bar = h('progress', {
    id: 'burst-progress',
    max: '1',
    value: '0',
    'aria-label': 'Progress of the burst',
    hidden: true,
  })
  const said = h('p', { id: 'burst-state' })
  const submit = async (event) => {
    event.preventDefault()
    const order = {
      count: number.input.valueAsNumber,
      seconds: seconds.input.valueAsNumber,
      random: random.input.checked,
      quorum: quorum.input.checked,
    }
    const agreed =
      order.count <= MANY ||
      (await confirmAct({
        title: `Send ${count(order.count)} tasks?`,
        sentences: [
          `${plural(order.count, 'task')} of ${order.seconds} s each are ${duration(order.count * order.seconds * 1000)} of work for one worker.`,
          'What has waited in the demo’s queues for a minute or two expires, and is dead-lettered.',
        ],
        act: 'Send them',
      }))
    if (agreed) await during(send, () => post('/burst', order))
  }
  const form = h(
    'form',
    { class: 'line', onsubmit: submit },
    number.element,
    seconds.element,
    random.element,
    quorum.element,
    send,
    end,
  )
  const showBurst = (burst) => {
    if (burst === null || burst === undefined) return
    const { count: all, sent, succeeded, failed, notSent, state, tookMs, task, errors } = burst
    const ended = succeeded + failed + notSent
    setAttribute(bar, 'value', ended / all)
    bar.hidden = false
    end.hidden = state !== 'running'
    const bad = [
      failed > 0 ? `${count(failed)} failed or unanswered` : '',
      notSent > 0 ? `${count(notSent)} not sent` : '',
      errors.at(-1) ?? '',
    ]
    const how = { running: 'under way', finished: 'finished', ended: 'ended' }[state]
    const parts = [
      `${count(sent)} of ${count(all)} sent`,
      `${count(succeeded)} succeeded`,
      ...bad.filter((part) => part !== ''),
    ]
    setAttribute(said, 'data-state', state)
    setText(said, `${task}: ${how}, ${parts.join(', ')}, ${duration(tookMs)}`)
  }
  return {
    element: h('div', {}, h('h3', {}, 'A burst of tasks'), form, bar, said),
    on(event, data) {
      if (event === 'burst') showBurst(data)
      if (event === 'hello') showBurst(data.burst)
    },
  }
}

function scaleForm() {
  const { input, element: line } = field('scale-workers', 'Workers', {
    type: 'number',
    min: '0',
    max: '149',
    value: '5',
    required: true,
  })
  const go = h('button', { type: 'submit', class: 'primary' }, 'Scale')
  let touched = false
  let now = 0
  input.addEventListener('input', () => {
    touched = true
  })
  const submit = async (event) => {
    event.preventDefault()
    const workers = input.valueAsNumber
    const fewer = workers < now
    const agreed =
      !fewer ||
      (await confirmAct({
        title: `Scale from ${now} to ${plural(workers, 'worker')}?`,
        sentences: [
          `${plural(now - workers, 'worker')} will finish what they hold, take nothing new, and end.`,
          ...(workers === 0 ? ['Then nobody takes from the queues.'] : []),
        ],
        act: `Scale to ${workers}`,
        danger: true,
      }))
    if (!agreed) return
    await during(go, () => post('/scale', { workers }))
    touched = false
  }
  return {
    element: h('div', {}, h('h3', {}, 'How many workers'), h('form', { class: 'line', onsubmit: submit }, line, go)),
    on(event, data) {
      if (event !== 'moment') return
      now = data.workers.length
      if (!touched && document.activeElement !== input) input.value = String(now)
    },
  }
}

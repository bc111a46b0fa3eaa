/** A burst of the demo's tasks. */
import { post, remove } from '../api.js'
import { confirmAct, during } from '../dialog.js'
import { h, setAttribute, setText } from '../dom.js'
import { count, duration, plural } from '../format.js'

/** More than this at once fills a small machine's queues for minutes. */
const MANY = 20_000

function field(id, label, props) {
  const input = h('input', { id, ...props })
  return { input, element: h('div', { class: 'field' }, h('label', { for: id }, label), input) }
}

function check(id, label) {
  const input = h('input', { id, type: 'checkbox' })
  return { input, element: h('div', { class: 'check' }, input, h('label', { for: id }, label)) }
}

export function burstForm() {
  const number = field('burst-count', 'Tasks', {
    type: 'number',
    min: '1',
    max: '100000',
    value: '100',
    required: true,
  })
  const seconds = field('burst-seconds', 'Seconds each', {
    ...{ type: 'number', min: '0', max: '60', step: 'any', value: '0.1', required: true },
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
    ...{ id: 'burst-progress', max: '1', value: '0', 'aria-label': 'Progress of the burst', hidden: true },
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
    { class: 'line', 'aria-label': 'A burst of tasks', onsubmit: submit },
    ...[number.element, seconds.element, random.element, quorum.element, send, end],
  )
  return {
    element: h('div', {}, form, bar, said),
    look(burst) {
      if (burst === undefined) return
      const { count: all, sent, succeeded, failed, notSent, state, tookMs, task, errors } = burst
      setAttribute(bar, 'value', (succeeded + failed + notSent) / all)
      bar.hidden = false
      end.hidden = state !== 'running'
      const parts = [
        `${count(sent)} of ${count(all)} sent`,
        `${count(succeeded)} succeeded`,
        failed > 0 ? `${count(failed)} failed or unanswered` : '',
        notSent > 0 ? `${count(notSent)} not sent` : '',
        errors.at(-1) ?? '',
      ].filter((part) => part !== '')
      const how = { running: 'under way', finished: 'finished', ended: 'ended' }[state]
      setAttribute(said, 'data-state', state)
      setText(said, `${task}: ${how}, ${parts.join(', ')}, ${duration(tookMs)}`)
    },
  }
}

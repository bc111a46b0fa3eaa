/** One dead letter, whole. */
import { h } from '../dom.js'
import { bytes, count, dateTime, excerpt, visible } from '../format.js'
import { facts } from './section.js'

/** `withInput`: false where its input is shown beside it. */
export function letterDetails(letter, { withInput = true } = {}) {
  const { exchange, routingKey, contentType, redriven, diedAt, attempts, queue, task, deadIn, input } = letter
  const origin =
    exchange === undefined ? undefined : `${visible(exchange) || '(default exchange)'} → ${visible(routingKey ?? '')}`
  const described = `${bytes(letter.bytes)}, ${visible(contentType ?? 'of no stated type')}${letter.base64 ? ', shown in base64' : ''}`
  return h(
    'div',
    { class: 'letter' },
    facts([
      ['Why', excerpt(letter.why)],
      ['Task', task && visible(task)],
      ['Died', diedAt && dateTime(diedAt)],
      ['In queue', queue && visible(queue)],
      ['Now in', deadIn && visible(deadIn)],
      ['Sent to', origin],
      ['Attempts', attempts === undefined ? undefined : count(attempts)],
      ['Sent back before', redriven > 0 ? `${count(redriven)} times` : undefined],
      ['Content', described],
      ['Input', withInput && input && h('pre', { class: 'payload' }, excerpt(input))],
    ]),
    input === undefined
      ? facts([['Payload', h('pre', { class: 'payload' }, excerpt(letter.content))]])
      : folded('Message as it is', h('pre', {}, excerpt(letter.content))),
    folded('Headers', h('pre', {}, excerpt(letter.headers))),
  )
}

export const folded = (title, ...content) => h('details', {}, h('summary', {}, title), content)

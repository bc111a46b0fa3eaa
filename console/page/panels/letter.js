/** One dead letter, whole. */
import { h } from '../dom.js'
import { bytes, count, excerpt, visible } from '../format.js'

export function letterDetails(letter) {
  const { exchange, routingKey, contentType, redriven, diedAt, attempts, queue, task } = letter
  const facts = [
    ['Why', excerpt(letter.why)],
    ['Task', task && visible(task)],
    ['Died', diedAt && new Date(diedAt).toLocaleString('en-GB')],
    ['In queue', queue && visible(queue)],
    [
      'Sent to',
      exchange === undefined
        ? undefined
        : `${visible(exchange) || '(default exchange)'} → ${visible(routingKey ?? '')}`,
    ],
    ['Attempts', attempts === undefined ? undefined : count(attempts)],
    ['Sent back before', redriven > 0 ? `${count(redriven)} times` : undefined],
    [
      'Content',
      `${bytes(letter.bytes)}, ${visible(contentType ?? 'of no stated type')}${letter.base64 ? ', shown in base64' : ''}`,
    ],
  ]
  return h(
    'dl',
    { class: 'facts' },
    facts.map(([title, text]) =>
      text === undefined ? undefined : h('div', {}, h('dt', {}, title), h('dd', {}, text)),
    ),
    h('div', {}, h('dt', {}, 'Payload'), h('dd', {}, h('pre', { class: 'payload' }, excerpt(letter.content)))),
    h('div', {}, h('dt', {}, 'Headers'), h('dd', {}, h('pre', {}, excerpt(letter.headers)))),
  )
}

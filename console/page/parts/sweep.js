/** Dead letters sent back, or removed for good: first what would happen, then a question, then what happened. */
import { post } from '../api.js'
import { confirmAct, notice } from '../dialog.js'
import { count, plural, visible } from '../format.js'

/**
 * `verb` is `redrive` or `purge`; `which` says which ones (`filter`, `error`, `look`, `rate`), `words` the same as the end
 * of a sentence. Resolves with whether anything was done.
 */
export async function sweep(verb, queue, which, words = '') {
  const path = `/dead-letters/${encodeURIComponent(queue)}/${verb}`
  const dry = await post(path, { ...which, dryRun: true })
  const would = dry.matched - dry.kept
  if (would === 0) {
    const why = dry.problems?.[0]?.message
    notice(dry.kept > 0 ? `None can be sent back: ${visible(why ?? '')}` : 'There are none to deal with.', 'bad')
    return false
  }
  const ask = verb === 'redrive' ? askRedrive : askPurge
  if (!(await confirmAct(ask(queue, dry, would, words, which.rate)))) return false
  const done = await post(path, { ...which, dryRun: false })
  const kept = done.kept > 0 ? `; ${count(done.kept)} stay` : ''
  const did = verb === 'redrive' ? 'sent back' : 'removed'
  notice(`${plural(done.done, 'dead letter')} ${did}${kept}`, done.kept > 0 ? 'bad' : 'good')
  return true
}

const askRedrive = (queue, { destinations, problems, kept }, would, words, rate) => ({
  title: `Send ${plural(would, 'dead letter')} of ${queue} back${words}?`,
  sentences: [
    ...destinations.map(
      (each) =>
        `${count(each.count)} to ${visible(each.exchange) || '(default exchange)'} → ${visible(each.routingKey)}`,
    ),
    ...(kept > 0
      ? [`${count(kept)} cannot be sent, and stay: ${problems.map(({ message }) => visible(message)).join('; ')}`]
      : []),
    'Each goes as a fresh message with all attempts before it, and is removed here once RabbitMQ has confirmed it there.',
    ...(rate === undefined ? [] : [`At most ${count(rate)} a second.`]),
  ],
  act: `Send ${count(would)} back`,
})

const askPurge = (queue, _dry, would, words) => ({
  title: `Remove ${plural(would, 'dead letter')} of ${queue} for good${words}?`,
  sentences: ['Their content is lost. Nothing brings them back.'],
  act: `Remove ${count(would)}`,
  danger: true,
})

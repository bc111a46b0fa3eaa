/** What happened to a task, attempt by attempt: how long each waited and took, how it ended, and where. */
import { h } from '../dom.js'
import { clock, duration, excerpt, plural, visible } from '../format.js'

const OUTCOMES = {
  SUCCESS: ['✓', 'good', 'succeeded'],
  FAILURE: ['✗', 'bad', 'failed'],
  REVOKED: ['⊘', 'plain', 'cancelled'],
  RETRY: ['✗', 'warn', 'failed, and is tried again'],
}

/** `dead`: its dead letters, where they were looked for. */
export function timeline({ attempts, moreAttempts, queuedAt, stored, progress }, dead) {
  const steps = []
  if (queuedAt !== undefined) steps.push(step('queued', h('strong', {}, 'queued'), h('time', {}, clock(queuedAt))))
  if (moreAttempts > 0) steps.push(gap(`${plural(moreAttempts, 'attempt')} more`, ''))
  let before = moreAttempts > 0 ? undefined : queuedAt
  for (const [index, attempt] of attempts.entries()) {
    const { startedAt, endedAt, delayMs, run } = attempt
    // A run that was begun later is not the wait of the one before.
    if (index > 0 && attempts[index - 1].run !== run) steps.push(gap('sent again', ''))
    else if (before !== undefined && startedAt !== undefined) {
      const waited = Date.parse(startedAt) - Date.parse(before)
      if (waited >= 0) steps.push(gap(duration(waited), 'waited'))
    }
    const last = index === attempts.length - 1
    steps.push(attemptStep(attempt, last && stored !== null ? stored.status : undefined, last ? progress : undefined))
    before = endedAt
    if (last && attempt.state === 'RETRY' && delayMs !== undefined) {
      steps.push(gap(duration(delayMs), 'waits for its next attempt'))
      steps.push(step('queued', h('strong', {}, `#${attempt.number + 1} `), h('span', {}, 'to come')))
    }
  }
  if (dead?.length > 0) {
    const [{ diedAt, deadIn }] = dead
    steps.push(gap('', ''))
    steps.push(
      step(
        'bad',
        h('strong', {}, 'dead-lettered'),
        h('span', {}, visible(deadIn)),
        diedAt && h('time', {}, clock(diedAt)),
      ),
    )
  }
  return h(
    'div',
    { class: 'timeline' },
    steps.length === 0
      ? h('p', { class: 'quiet' }, 'The store knows of no attempt.')
      : h('ol', { 'aria-label': 'Attempts' }, steps),
  )
}

const step = (kind, ...content) => h('li', { class: `step ${kind}` }, content)
const gap = (text, means) =>
  h(
    'li',
    { class: text === '' ? 'gap short' : 'gap' },
    h('span', { class: 'unseen' }, `${means} `),
    h('span', {}, text),
  )

/** `now`: what the store holds, for the last one, which may run, or have begun and never ended. */
function attemptStep({ number, state, startedAt, endedAt, error, worker }, now, progress) {
  const known = OUTCOMES[state]
  const runs = known === undefined && (now === undefined || now === 'STARTED' || now === 'PROGRESS')
  const [mark, tone, word] = known ?? (runs ? ['▸', 'run', 'running'] : ['?', 'plain', 'its end is not known'])
  const took =
    startedAt !== undefined && endedAt !== undefined ? duration(Date.parse(endedAt) - Date.parse(startedAt)) : undefined
  const at = startedAt ?? endedAt
  return step(
    tone,
    h(
      'strong',
      {},
      number > 0 && `#${number} `,
      h('span', { 'aria-hidden': 'true' }, mark),
      h('span', { class: 'unseen' }, word),
    ),
    h('span', {}, took ?? (runs ? 'running' : word)),
    at !== undefined && h('time', { class: 'quiet' }, clock(at)),
    worker && h('span', { class: 'quiet' }, visible(worker)),
    progress && h('span', { class: 'quiet' }, `${plural(progress.count, 'report')}: ${excerpt(progress.last)}`),
    error && h('span', { class: 'why' }, excerpt(error)),
  )
}

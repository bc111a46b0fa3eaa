/** One task: its attempts with the waits between them, its error or result, its input, its dead letter, and what can be done. */
import { get, post } from '../api.js'
import { h, setText } from '../dom.js'
import { dateTime, excerpt, visible } from '../format.js'
import { isPaused, loader } from '../loader.js'
import { actButton } from '../parts/act.js'
import { badge, setBadge, taskState } from '../parts/badge.js'
import { copyButton, shortId } from '../parts/id.js'
import { folded, letterDetails } from '../parts/letter.js'
import { facts, section, viewHead } from '../parts/section.js'
import { sweep } from '../parts/sweep.js'
import { timeline } from '../parts/timeline.js'
import { href } from '../router.js'

const FINAL = new Set(['SUCCESS', 'FAILURE', 'REVOKED'])
/**
 * How long after each look at the dead-letter queues the next one is due, while the task may still come there. RabbitMQ's
 * counts, by which the server skips the empty ones, are some seconds old.
 */
const LOOK_AFTER_MS = [2_000, 4_000, 8_000, 16_000, 32_000, 64_000]
const SELDOM = 5

export function taskView({ params: { id }, session }) {
  const state = badge('…')
  const acts = h('div', { class: 'acts' })
  const head = viewHead({ title: shortId(id), trail: [['Tasks', href(['tasks'])]], acts })
  const name = h('p', { class: 'task-name' }, state)
  head.element.firstChild.append(h('p', { class: 'id' }, visible(id), ' ', copyButton(id)), name)
  const way = h('div')
  const said = h('div', { class: 'columns' })
  const letters = h('div')
  let page
  let dead
  let drawn = ''

  const cancel = actButton({
    ...{ text: 'Cancel …', label: 'Cancel this task', tone: 'danger', small: false },
    ask: () => ({
      title: `Cancel ${shortId(id)}?`,
      sentences: [
        'If it has not begun, it is never run: its message is dropped when a worker meets it, also where it is delayed or waits for its next attempt.',
        'If it runs, its handler’s signal is aborted, and its result stays “cancelled”, whatever the handler does.',
        'If it has ended, nothing changes.',
      ],
      act: 'Cancel the task',
    }),
    act: async () => {
      const { outcome, status } = await post(`/tasks/${encodeURIComponent(id)}/cancel`)
      void load.now()
      return outcome === 'cancelled' ? 'The task is cancelled' : `It had ended before: ${taskState(status)[0]}`
    },
  })
  const sendBack = (letter) =>
    actButton({
      ...{ text: 'Send back …', label: 'Send back this task', tone: 'primary', small: false },
      act: async () => {
        if (await sweep('redrive', letter.deadIn, { filter: { id: letter.id } })) await again()
      },
    })
  const remove = (letter) =>
    actButton({
      ...{ text: 'Remove …', label: 'Remove its dead letter', tone: 'danger', small: false },
      act: async () => {
        if (await sweep('purge', letter.deadIn, { filter: { id: letter.id } })) await again()
      },
    })
  const again = async () => {
    dead = undefined
    looks = 0
    nextLookAt = 0
    await load.now()
  }

  let looks = 0
  let nextLookAt = 0
  let seen = 0
  const lookForLetter = async () => {
    if (page === undefined || dead?.length > 0 || performance.now() < nextLookAt) return
    const { stored } = page
    // A success is no dead letter, and looking for one means going through all of them.
    if (stored !== null && (stored.status === 'SUCCESS' || !FINAL.has(stored.status))) return
    nextLookAt = Number.POSITIVE_INFINITY
    const domain = stored?.task === undefined ? '' : `?domain=${encodeURIComponent(stored.task.split('.', 1)[0])}`
    try {
      dead = await get(`/tasks/${encodeURIComponent(id)}/dead-letters${domain}`)
    } catch {
      dead = []
    }
    if (looks < LOOK_AFTER_MS.length) nextLookAt = performance.now() + LOOK_AFTER_MS[looks++]
    draw()
  }

  function draw() {
    const text = JSON.stringify([page, dead])
    // What is selected or unfolded stays while nothing is new.
    if (text === drawn) return
    drawn = text
    const { stored, payload, flow, traceback } = page
    const status = stored?.status
    const known = stored?.task ?? payload?.task ?? dead?.[0]?.task
    document.title = `${known === undefined ? shortId(id) : visible(known)} · Warren`
    setText(head.heading, known === undefined ? shortId(id) : visible(known))
    const [word, tone] = status === undefined ? unstarted(dead) : taskState(status)
    setBadge(state, word, tone)
    way.replaceChildren(timeline(page, dead))
    said.replaceChildren(
      ...[outcomeOf(stored, traceback), inputOf(payload, dead), placeOf(stored, flow, known)].filter(Boolean),
    )
    letters.replaceChildren(
      ...(dead ?? []).map((letter) =>
        section(
          'Its dead letter',
          { name: 'dead' },
          letterDetails(letter, { withInput: payload?.input !== undefined || letter !== dead[0] }),
        ),
      ),
    )
    const offered = []
    if (session.can.act && dead?.length > 0) offered.push(sendBack(dead[0]), remove(dead[0]))
    if (session.can.act && !FINAL.has(status)) offered.push(cancel)
    acts.replaceChildren(...offered)
  }

  const load = loader(
    () => `/tasks/${encodeURIComponent(id)}${page === undefined ? '' : '?again'}`,
    (answer) => {
      // Of a task that the store has no result of, the whole history is searched once.
      const { attempts, queuedAt } = page ?? answer
      page = answer.stored === null ? { ...answer, attempts, queuedAt } : answer
      draw()
      void lookForLetter()
    },
  )
  void load.now()
  return {
    title: shortId(id),
    element: h(
      'div',
      { class: 'view task' },
      head.element,
      load.note,
      section('Attempts', { name: 'attempts' }, way),
      said,
      letters,
    ),
    query: () => undefined,
    on(event) {
      if (event !== 'moment') return
      // What has ended may be sent again by somebody else.
      if (!FINAL.has(page?.stored?.status) || ++seen % SELDOM === 0) load.again()
      else if (!isPaused()) void lookForLetter()
    },
    close: load.close,
  }
}

/** Where the store knows nothing. */
const unstarted = (dead) => (dead?.length > 0 ? ['✗ dead-lettered', 'bad'] : ['not begun, or unknown', 'plain'])

function outcomeOf(stored, traceback) {
  if (stored === null) {
    return section(
      'Result',
      {},
      h(
        'p',
        { class: 'quiet' },
        'The store holds none: the task waits in its queue or for its time, it expired there, it asked for no result, or its result was kept for its time and is gone.',
      ),
    )
  }
  if (stored.error !== undefined) {
    return section(
      'Error',
      {},
      h('pre', { class: 'error-text' }, `${visible(stored.error.errorClass)}: ${excerpt(stored.error.message)}`),
      traceback !== null && folded('Stack', h('pre', {}, visible(traceback))),
    )
  }
  const what = stored.status === 'SUCCESS' ? 'Result' : 'So far'
  return section(what, {}, h('pre', {}, excerpt(stored.result ?? { text: '' })))
}

function inputOf(payload, dead) {
  const input = payload?.input ?? dead?.find((letter) => letter.input !== undefined)?.input
  return section(
    'Input',
    {},
    input === undefined
      ? h(
          'p',
          { class: 'quiet' },
          'Not kept: RabbitMQ forgets a message that is done. Dead letters have theirs, and those of bursts from this page are remembered for a while.',
        )
      : h('pre', { class: 'payload' }, excerpt(input)),
  )
}

const placeOf = (stored, flow, known) =>
  section(
    'Where and when',
    {},
    facts([
      ['Task', known && h('a', { href: href(['tasks'], { task: known }) }, visible(known))],
      ['Queue', stored?.queue && h('a', { href: href(['queues'], { q: stored.queue }) }, visible(stored.queue))],
      ['Worker', stored?.worker && visible(stored.worker)],
      ['Flow', flow && h('a', { href: href(['flows', flow]) }, visible(flow))],
      ['Queued', stored?.queuedAt && dateTime(stored.queuedAt)],
      ['Began', stored?.startedAt && dateTime(stored.startedAt)],
      ['Ended', stored?.doneAt && dateTime(stored.doneAt)],
      ['Sent again', stored?.run > 0 && dateTime(stored.run)],
    ]),
  )

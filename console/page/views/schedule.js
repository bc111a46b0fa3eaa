/** One schedule: its rhythm, its next ticks, what it sent last, its input. */
import { h } from '../dom.js'
import { ago, dateTime, duration, excerpt, visible } from '../format.js'
import { loader } from '../loader.js'
import { badge, setBadge } from '../parts/badge.js'
import { shortId } from '../parts/id.js'
import { scheduleActs, scheduleAddress } from '../parts/scheduleActs.js'
import { facts, section, viewHead } from '../parts/section.js'
import { href } from '../router.js'
import { rhythmOf, scheduleState, when } from './schedules.js'

const OVERLAP = {
  allow: 'the next task is sent all the same',
  skip: 'the tick is skipped',
  queueOne: 'one tick waits for its end',
}
const CATCH_UP = { none: 'none', latest: 'the latest', all: 'all' }

export function scheduleView({ params: { service, id }, session }) {
  const state = badge('…')
  const acts = h('div', { class: 'acts' })
  const head = viewHead({ title: visible(id), trail: [['Schedules', href(['schedules'])]], acts })
  head.element.firstChild.append(h('p', {}, state))
  const said = h('div', { class: 'columns' })
  let drawn = ''
  const load = loader(
    () => scheduleAddress({ service, id }),
    (schedule) => {
      setBadge(state, ...scheduleState(schedule))
      const text = JSON.stringify(schedule)
      if (text === drawn) return
      drawn = text
      if (session.can.act) acts.replaceChildren(...scheduleActs(schedule, () => load.now(), { small: false }))
      said.replaceChildren(definition(schedule), progress(schedule), ticks(schedule), input(schedule))
    },
  )
  load.onFailure(({ status }) => {
    if (status !== 404) return
    acts.replaceChildren()
    said.replaceChildren()
    setBadge(state, 'there is none', 'plain')
  })
  void load.now()
  return {
    title: visible(id),
    element: h('div', { class: 'view' }, head.element, load.note, said),
    query: () => undefined,
    on(event) {
      if (event === 'moment') load.again()
    },
    close: load.close,
  }
}

const definition = (schedule) =>
  section(
    'What and when',
    {},
    facts([
      ['Task', h('a', { href: href(['tasks'], { task: schedule.task }) }, visible(schedule.task))],
      ['Service', visible(schedule.service)],
      ['When', visible(rhythmOf(schedule))],
      ['Not before', schedule.startAt && dateTime(schedule.startAt)],
      ['While the last runs', OVERLAP[schedule.overlap] ?? schedule.overlap],
      [
        'Late ticks sent',
        `${CATCH_UP[schedule.catchUp] ?? schedule.catchUp}, up to ${duration(schedule.catchUpWindowMs)} late`,
      ],
      ['Jitter', schedule.jitterMs > 0 && `up to ${duration(schedule.jitterMs)}`],
    ]),
  )

const progress = ({ paused, last, waiting, problem, next }) =>
  section(
    'Where it is',
    {},
    facts([
      [
        'Paused',
        paused && `since ${dateTime(paused.since)}${paused.reason === undefined ? '' : `: ${visible(paused.reason)}`}`,
      ],
      ['Problem', problem && excerpt(problem)],
      ['Next tick', when(next)],
      ['Last tick', last && dateTime(last.tick)],
      [
        'Its task',
        last && h('a', { href: href(['tasks', last.id]) }, shortId(last.id)),
        last && ` sent ${ago(last.at)}`,
      ],
      ['Waits for its end', waiting && dateTime(waiting)],
    ]),
  )

const ticks = ({ ticks: next, timeZone }) =>
  section(
    'Next ticks',
    {},
    next.length === 0
      ? h('p', { class: 'quiet' }, '–')
      : h(
          'ol',
          { class: 'plain-list' },
          next.map((tick) => h('li', {}, localTime(tick, timeZone), ' ', h('span', { class: 'quiet' }, ago(tick)))),
        ),
  )

/** As the clocks of its zone show it. */
function localTime(at, timeZone) {
  try {
    return `${new Date(at).toLocaleString('en-GB', { timeZone })} ${timeZone}`
  } catch {
    return dateTime(at)
  }
}

const input = (schedule) => section('Input', {}, h('pre', {}, excerpt(schedule.input)))

/** Figures that matter, what needs attention, and how it went. */
import { h, keyed, setAttribute, setText } from '../dom.js'
import { clock, count, duration, percent, plural, rate, visible } from '../format.js'
import { loader } from '../loader.js'
import { badge, processTone } from '../parts/badge.js'
import { chart } from '../parts/charts.js'
import { section } from '../parts/section.js'
import { spark } from '../parts/spark.js'
import { rangeSeconds } from '../range.js'
import { href } from '../router.js'

const SPARK_SECONDS = 300
const FAILURES_EVERY_MS = 5_000

export function overviewView({ session, live }) {
  const tiles = tilesOf(live)
  const troubles = troublesOf()
  const throughput = chart({
    ...{ name: 'rates', title: 'Messages a second', show: rate },
    series: [
      ['published', 'published'],
      ['delivered', 'delivered'],
      ['finished', 'finished'],
      ['deadLettered', 'dead-lettered'],
    ],
  })
  const backlog = chart({
    ...{ name: 'backlog', title: 'Messages in queues', show: count },
    series: [
      ['ready', 'waiting'],
      ['unacknowledged', 'held by workers'],
    ],
  })
  const latency = chart({
    ...{ name: 'latency', title: 'How long handlers take', show: duration },
    series: [
      ['p50', 'half within'],
      ['p95', '95 % within'],
      ['p99', '99 % within'],
    ],
  })
  const charts = [throughput, backlog, latency]
  const busy = busyOf()
  const servers = serversOf()
  const feed = feedOf(live)
  const failures = session.can.tasks ? failuresOf() : undefined
  const draw = () => {
    const seconds = rangeSeconds()
    const to = live.column('time', seconds).at(-1) ?? Date.now() / 1000
    for (const each of charts) each.draw(to - seconds, to, (name) => live.column(name, seconds))
    tiles.draw()
  }
  const element = h(
    'div',
    { class: 'view overview' },
    h('h1', { class: 'unseen', tabindex: '-1' }, 'Overview'),
    tiles.element,
    troubles.element,
    section(
      'Over time',
      { name: 'rates', wide: true },
      h(
        'div',
        { class: 'charts' },
        charts.map((each) => each.element),
      ),
    ),
    h('div', { class: 'columns' }, busy.element, servers.element, failures?.element, feed.element),
  )
  // Charts paint where they stand.
  queueMicrotask(draw)
  return {
    title: 'Overview',
    element,
    query: draw,
    on(event, data) {
      if (event === 'moment') {
        tiles.look(data)
        troubles.look(data)
        busy.look(data)
        servers.look(data)
        failures?.again()
      }
      if (event === 'hello' || event === 'row') draw()
      if (event === 'hello') feed.reset()
      if (event === 'happening') feed.add(data)
    },
    close() {
      for (const each of charts) each.close()
      failures?.close()
    },
  }
}

/** Each figure leads to where it comes from. */
function tilesOf(live) {
  const tile = (name, title, address, series) => {
    const value = h('span', { class: 'tile-value' }, '–')
    const more = h('span', { class: 'tile-more' })
    const line = series === undefined ? undefined : spark()
    const element = h(
      'a',
      { class: `tile ${name}`, href: address },
      h('span', { class: 'tile-title' }, title),
      value,
      line?.element,
      more,
    )
    return { element, value, more, draw: () => line?.update(live.column(series, SPARK_SECONDS)) }
  }
  const all = {
    waiting: tile('waiting', 'Waiting', href(['queues'], { sort: 'ready', dir: 'down' }), 'ready'),
    running: tile('running', 'Held by workers', href(['workers']), 'unacknowledged'),
    done: tile('done', 'Finished', href(['tasks'], { state: 'done' }), 'finished'),
    p95: tile('p95', 'p95', href(['tasks']), 'p95'),
    delayed: tile('delayed', 'Delayed', href(['tasks'], { state: 'delayed' })),
    dead: tile('dead', 'Dead letters', href(['dead-letters']), 'deadLettered'),
  }
  return {
    element: h(
      'div',
      { class: 'tiles' },
      Object.values(all).map(({ element }) => element),
    ),
    draw() {
      for (const each of Object.values(all)) each.draw()
    },
    look({ ready, unacknowledged, workers, rates, p95, delayed, dead, oldest }) {
      setText(all.waiting.value, count(ready))
      const words = { exact: '', reckoned: 'about ', atLeast: 'over ' }
      setText(all.waiting.more, oldest === undefined ? '' : `oldest ${words[oldest.how]}${duration(oldest.ms)}`)
      setText(all.running.value, count(unacknowledged))
      setText(all.running.more, workers.running === undefined ? '' : `${plural(workers.running, 'handler')} run`)
      // Where some workers do not say what they finish, RabbitMQ's count is nearer to the truth than the others' sum.
      const whole = rates.finished !== undefined && !(workers.silent > 0 && rates.acknowledged !== undefined)
      setText(all.done.value, rate(whole ? rates.finished : rates.acknowledged))
      setText(all.done.more, whole || rates.acknowledged === undefined ? '' : 'acknowledged')
      setText(all.p95.value, duration(p95))
      setText(all.p95.more, p95 === undefined ? '' : 'of the slowest task')
      setText(all.delayed.value, count(delayed))
      setText(all.dead.value, count(dead))
      setText(all.dead.more, rates.deadLettered > 0 ? `${rate(rates.deadLettered)} more` : '')
      setAttribute(all.dead.element, 'data-tone', dead > 0 ? 'warn' : undefined)
    },
  }
}

function troublesOf() {
  const list = h('ul', { class: 'troubles', 'aria-label': 'What needs attention' })
  const marks = { bad: '✗', warn: '⚠', plain: '❚❚' }
  const rows = keyed(
    list,
    ({ tone, text }) => `${tone} ${text}`,
    ({ tone, text, at }) => ({
      element: h(
        'li',
        { class: tone },
        h('span', { 'aria-hidden': 'true' }, marks[tone]),
        at === undefined ? h('span', {}, visible(text)) : h('a', { href: at }, visible(text)),
      ),
      update: () => undefined,
    }),
  )
  list.hidden = true
  return {
    element: list,
    look({ troubles }) {
      rows(troubles)
      list.hidden = troubles.length === 0
    },
  }
}

function busyOf() {
  const body = h('tbody')
  const note = h('p', { class: 'quiet' })
  const rows = keyed(
    body,
    ({ task }) => task,
    ({ task }) => {
      const [speed, slow, failed] = [
        h('td', { class: 'number' }),
        h('td', { class: 'number' }),
        h('td', { class: 'number' }),
      ]
      const link = h('a', { href: href(['tasks'], { task }) }, visible(task))
      return {
        element: h('tr', {}, h('th', { scope: 'row' }, link), speed, slow, failed),
        update(item) {
          setText(speed, rate(item.perSecond))
          setText(slow, duration(item.p95))
          setText(failed, percent(item.failed))
        },
      }
    },
  )
  const heads = ['Task', 'Attempts', 'p95', 'Failed']
  const table = h(
    'table',
    {},
    h('caption', { class: 'unseen' }, 'Busiest tasks'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        heads.map((head, index) => h('th', { scope: 'col', class: index > 0 ? 'number' : '' }, head)),
      ),
    ),
    body,
  )
  return {
    element: section('Busiest tasks', { name: 'busy' }, table, note),
    look({ busy }) {
      rows(busy ?? [])
      table.hidden = (busy ?? []).length === 0
      note.hidden = !table.hidden
      setText(
        note,
        busy === undefined
          ? 'Not known: workers beside this console’s own cluster do not tell it what they run.'
          : 'No attempt has ended in the last half minute.',
      )
    },
  }
}

function serversOf() {
  const list = h('ul', { class: 'servers' })
  const rows = keyed(
    list,
    ({ name }) => name,
    ({ name, at }) => {
      const mark = badge('')
      const more = h('span', { class: 'quiet' })
      return {
        element: h('li', {}, h('a', { href: at }, visible(name)), mark, more),
        update({ state, why, tone, text }) {
          setText(mark, why === undefined ? state : `${state} (${why})`)
          setAttribute(mark, 'class', `badge ${tone ?? processTone(state)}`)
          setText(more, text ?? '')
        },
      }
    },
  )
  return {
    element: section('Nodes and workers', { name: 'servers-panel' }, list),
    look({ nodes, proxy, store, stores, workers }) {
      const { inAll, well, busy, silent } = workers
      const does = busy === undefined ? '' : `${count(busy)} busy${silent > 0 ? `, ${count(silent)} silent` : ''}`
      rows([
        ...nodes.map((node) => ({ ...node, at: href(['cluster']) })),
        ...(proxy === undefined ? [] : [{ ...proxy, at: href(['cluster']) }]),
        ...(stores ?? (store === undefined ? [] : [store])).map((each) => ({ ...each, at: href(['cluster']) })),
        {
          ...{ name: 'workers', at: href(['workers']), text: does },
          state: inAll === undefined ? '–' : `${count(well)} of ${count(inAll)}`,
          tone: inAll === undefined || inAll === 0 ? 'plain' : well < inAll ? 'warn' : 'good',
        },
      ])
    },
  }
}

function failuresOf() {
  const list = h('ol', { class: 'failures' })
  const note = h('p', { class: 'quiet' })
  const rows = keyed(
    list,
    ({ error, task = '' }) => `${task}\n${error}`,
    ({ error, task }) => {
      const [number, when] = [h('span', { class: 'figure bad' }), h('span', { class: 'quiet' })]
      const link = h('a')
      return {
        element: h('li', {}, number, h('div', {}, link, h('p', { class: 'quiet' }, visible(task ?? ''), ' ', when))),
        update({ count: times, id, doneAt }) {
          setText(number, count(times))
          setText(link, visible(error))
          setAttribute(link, 'href', href(['tasks', id]))
          setText(when, doneAt === undefined ? '' : `last at ${clock(doneAt)}`)
        },
      }
    },
  )
  const load = loader(
    () => '/failures',
    ({ groups, source }) => {
      rows(groups)
      const where = source === 'sample' ? ' of what the console has seen since it started' : ''
      setText(note, groups.length === 0 ? `No task has failed${where}.` : where === '' ? '' : `A sample${where}.`)
    },
    { everyMs: FAILURES_EVERY_MS },
  )
  void load.now()
  const all = h('a', { href: href(['tasks'], { state: 'failed' }) }, 'All')
  return {
    element: section('Recent failures', { name: 'failures-panel', tools: all }, load.note, list, note),
    again: load.again,
    close: load.close,
  }
}

function feedOf(live) {
  const feed = h('ol', { class: 'feed' })
  const region = h('div', { class: 'scroll', tabindex: '0', role: 'log', 'aria-label': 'Events' }, feed)
  const empty = h('p', { class: 'quiet' }, 'Nothing has happened since the console began to look.')
  const MOST = 200
  const add = ({ at, tone, text }) => {
    empty.hidden = true
    const time = h('time', { datetime: new Date(at).toISOString() }, clock(at))
    feed.prepend(h('li', { class: tone }, time, ' ', h('span', {}, visible(text))))
    while (feed.children.length > MOST) feed.lastChild.remove()
  }
  const reset = () => {
    feed.replaceChildren()
    for (const happening of live.happenings) add(happening)
  }
  reset()
  return { element: section('Events', { name: 'events' }, empty, region), add, reset }
}

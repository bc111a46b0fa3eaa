/** One queue: its figures over time, who takes from it, its policy and copies, and its pause. */
import { post } from '../api.js'
import { h, setText } from '../dom.js'
import { bytes, count, dateTime, duration, excerpt, isAway, plural, rate, visible } from '../format.js'
import { loader } from '../loader.js'
import { actButton } from '../parts/act.js'
import { badge, setBadge } from '../parts/badge.js'
import { chart } from '../parts/charts.js'
import { folded } from '../parts/letter.js'
import { facts, section, viewHead } from '../parts/section.js'
import { href } from '../router.js'
import { age, membersOf } from './queues.js'

const MINUTES = 20

export function queueView({ params: { vhost, name }, session, live }) {
  const path = `/queues/${encodeURIComponent(vhost)}/${encodeURIComponent(name)}`
  const state = badge('…')
  const acts = h('div', { class: 'acts' })
  const head = viewHead({ title: visible(name), trail: [['Queues', href(['queues'])]], acts })
  head.element.firstChild.append(h('p', {}, state))
  const waiting = chart({
    ...{ name: 'queue-backlog', title: 'Messages', show: count },
    series: [
      ['ready', 'waiting'],
      ['unacknowledged', 'held by workers'],
    ],
  })
  const rates = chart({
    ...{ name: 'queue-rates', title: 'Messages a second', show: rate },
    series: [
      ['published', 'in'],
      ['delivered', 'out'],
    ],
  })
  const said = h('div', { class: 'columns' })
  const pauseNote = h('p', { class: 'warned', hidden: true })
  let drawn = ''
  const pause = actButton({
    ...{ text: 'Pause …', label: `Pause ${name}`, small: false },
    ask: () => ({
      title: `Pause ${visible(name)}?`,
      sentences: [
        'All its workers, now and after their restarts, stop taking from it until it is resumed. What they run is finished.',
        'Messages go on coming in and wait; where the queue has a time or length limit, they expire or are dead-lettered meanwhile.',
      ],
      fields: [{ name: 'reason', label: 'Why (shown to everybody)', maxlength: '300' }],
      act: 'Pause the queue',
    }),
    act: async ({ reason = '' }) => {
      await post(`${path}/pause`, reason === '' ? {} : { reason })
      await load.now()
      return `${visible(name)} is paused`
    },
  })
  const resume = actButton({
    ...{ text: 'Resume', label: `Resume ${name}`, tone: 'primary', small: false },
    act: async () => {
      await post(`${path}/resume`)
      await load.now()
      return `${visible(name)} is resumed`
    },
  })
  const load = loader(
    () => path,
    (queue) => {
      const { rows, series, paused, role, own } = queue
      setBadge(
        state,
        queue.state === 'unknown' ? 'state unknown' : queue.state,
        isAway(queue) ? 'bad' : queue.state === 'unknown' ? 'plain' : 'good',
      )
      const to = rows.at(-1)?.[0] ?? Date.now() / 1000
      const column = (wanted) => {
        const index = wanted === 'time' ? 0 : series.indexOf(wanted) + 1
        return rows.map((row) => row[index])
      }
      for (const each of [waiting, rates]) each.draw(to - MINUTES * 60, to, column)
      pauseNote.hidden = paused === undefined
      if (paused !== undefined) {
        setText(
          pauseNote,
          `Paused since ${dateTime(paused.since)}${paused.reason === undefined ? '' : `: ${visible(paused.reason)}`}`,
        )
      }
      const can = session.can.act && session.can.tasks && own && role === 'task'
      const wanted = can ? [paused === undefined ? pause : resume] : []
      if (acts.firstChild !== (wanted[0] ?? null)) acts.replaceChildren(...wanted)
      const text = JSON.stringify({ ...queue, rows: undefined, trend: undefined })
      if (text === drawn) return
      drawn = text
      said.replaceChildren(figuresOf(queue, live), consumersOf(queue), policyOf(queue))
    },
  )
  void load.now()
  return {
    title: visible(name),
    element: h(
      'div',
      { class: 'view queue' },
      ...[head.element, load.note, pauseNote],
      section('The last twenty minutes', {}, h('div', { class: 'charts' }, waiting.element, rates.element)),
      said,
    ),
    query: () => undefined,
    on(event) {
      if (event === 'moment') load.again()
    },
    close() {
      load.close()
      waiting.close()
      rates.close()
    },
  }
}

const KEPT = {
  kept: 'kept',
  missing: 'its exchange is missing: declare it, or load warren definitions',
  unbound: 'its exchange has no queue: what dies is lost',
  none: 'it names no exchange: what RabbitMQ drops is lost',
}

function figuresOf(queue, { moment }) {
  const down = new Set(
    (moment?.nodes ?? []).filter((node) => node.state === 'down' || node.state === 'frozen').map((node) => node.name),
  )
  const { ready, unacknowledged, consumers, published, delivered, type, leader, task, service, domain, deadLettering } =
    queue
  const letters = queue.role === 'task' ? `${domain}.dlq` : undefined
  return section(
    'Figures',
    {},
    facts([
      ['Waiting', count(ready)],
      ['Held', count(unacknowledged)],
      ['Oldest', ready === undefined ? '–' : age(queue.age) || 'none waits'],
      ['In, out', `${rate(published)}, ${rate(delivered)}`],
      ['Consumers', count(consumers)],
      ['Task', task && h('a', { href: href(['tasks'], { task }) }, visible(task))],
      ['Service', service && h('a', { href: href(['workers'], { service }) }, visible(service))],
      ...(queue.limits ?? []).map((limit) => ['Limit', limitText(limit)]),
      ['Type', type],
      ['Leader', leader ?? '–'],
      ['Members', membersOf(queue, down)],
      ['Size', queue.detail?.bytes === undefined ? undefined : bytes(queue.detail.bytes)],
      ['Virtual host', visible(queue.vhost)],
      ['Dead letters', deadLettering && KEPT[deadLettering]],
      ['They are in', letters && h('a', { href: href(['dead-letters', letters]) }, visible(letters))],
    ]),
  )
}

const none = (value, text) => (value === false ? 'none' : text)

function limitText({ rate: speed, concurrency, key, perKey, source }) {
  const parts = [
    speed === undefined ? undefined : none(speed, `${count(speed.count)} starts in ${duration(speed.perMs)}`),
    concurrency === undefined ? undefined : none(concurrency, `${count(concurrency)} at a time`),
  ].filter((part) => part !== undefined)
  const whose = key !== undefined ? ` for the key ${visible(key)}` : perKey ? ' for each key' : ''
  return `${parts.join(', ')}${whose}, ${source === 'set' ? 'set while workers run' : 'declared by the task'}`
}

function consumersOf({ detail }) {
  if (detail === null)
    return section('Consumers', {}, h('p', { class: 'quiet' }, 'RabbitMQ does not say who they are.'))
  const { consumers, consumersInAll } = detail
  if (consumersInAll === 0) return section('Consumers', {}, h('p', { class: 'quiet' }, 'Nobody takes from it.'))
  const sorted = [...consumers].sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
  const items = sorted.map(({ name, prefetch, active }) =>
    h(
      'li',
      {},
      visible(name.replace(/ \(consume\)$/, '')),
      ' ',
      prefetch !== undefined && h('span', { class: 'quiet' }, `prefetch ${prefetch}`),
      active === false && badge('inactive', 'warn'),
    ),
  )
  const more =
    consumersInAll > consumers.length &&
    h('p', { class: 'quiet' }, `and ${plural(consumersInAll - consumers.length, 'other')}`)
  return section('Consumers', {}, h('ul', { class: 'plain-list' }, items), more)
}

function policyOf({ detail }) {
  if (detail === null) return section('Policy', {}, h('p', { class: 'quiet' }, 'RabbitMQ does not say it.'))
  return section(
    'Policy',
    {},
    facts([['Name', detail.policy === undefined ? 'none' : visible(detail.policy)]]),
    h('pre', {}, excerpt(detail.definition)),
    folded('Arguments of its declaration', h('pre', {}, excerpt(detail.arguments))),
  )
}

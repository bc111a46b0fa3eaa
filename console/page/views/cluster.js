/**
 * The cluster: the way of a message in one line; the nodes; and a matrix of queues and nodes, which says for each copy
 * whether it leads, follows or is away.
 */
import { get } from '../api.js'
import { h, keyed, setAttribute, setText } from '../dom.js'
import { bytes, count, duration, isAway, plural, rate, visible } from '../format.js'
import { loader } from '../loader.js'
import { badge, processTone, setBadge } from '../parts/badge.js'
import { filterBar, textFilter } from '../parts/filters.js'
import { pager } from '../parts/pager.js'
import { processButtons } from '../parts/processActs.js'
import { section, viewHead } from '../parts/section.js'
import { href } from '../router.js'

const LAUNCHER_STATES = { up: 'running', down: 'stopped', frozen: 'frozen', starting: 'starting', stopping: 'stopping' }

export function clusterView({ query, session }) {
  let now = query
  let moment
  let leads
  const head = viewHead({ title: 'Cluster' })
  const way = wayOf()
  const nodes = nodesOf(
    session,
    () => moment,
    () => leads,
  )
  const words = textFilter('q', 'Queue')
  const matrix = matrixOf()
  const pages = pager()
  let queues = []
  const draw = () => {
    if (moment !== undefined) matrix.update(queues, moment.nodes)
  }
  const load = loader(
    () =>
      `/queues?${new URLSearchParams({ size: '100', ...(now.q ? { q: now.q } : {}), ...(now.page ? { page: now.page } : {}) })}`,
    (page) => {
      queues = page.items.filter(({ stands }) => stands === undefined)
      draw()
      pages.update(page)
    },
  )
  const who = loader(
    () => '/nodes',
    (answer) => {
      leads = answer
      if (moment !== undefined) nodes.update(moment)
    },
  )
  const update = () => words.update(now)
  update()
  void load.now()
  void who.now()
  return {
    title: 'Cluster',
    element: h(
      'div',
      { class: 'view cluster' },
      head.element,
      section('The path of a message', { wide: true, name: 'way-panel' }, way.element),
      section('Nodes and store', { wide: true }, nodes.element),
      section(
        'Queues and their copies',
        { wide: true, name: 'matrix-panel' },
        filterBar(words),
        load.note,
        legend(),
        matrix.element,
        pages.element,
      ),
    ),
    query(next) {
      now = next
      update()
      void load.now()
    },
    on(event, data) {
      if (event !== 'moment') return
      moment = data
      way.update(data)
      nodes.update(data)
      draw()
      load.again()
      who.again()
    },
    close() {
      load.close()
      who.close()
      words.close()
    },
  }
}

/** Producers → HAProxy → nodes → workers → store, each with what goes on to the next. */
function wayOf() {
  const list = h('ol', { class: 'way' })
  const rows = keyed(
    list,
    ({ name }) => name,
    ({ name, at }) => {
      const [state, flow] = [h('span', { class: 'quiet' }), h('span', { class: 'flow' })]
      const title = at === undefined ? h('strong', {}, name) : h('a', { href: at }, name)
      const box = h('div', { class: 'station' }, title, state)
      return {
        element: h('li', {}, box, flow),
        update({ text, speed, tone }) {
          setText(state, text)
          setAttribute(box, 'data-tone', tone)
          setText(flow, speed === undefined ? '' : `${speed} →`)
          flow.hidden = speed === undefined
        },
      }
    },
  )
  return {
    element: list,
    update({ nodes, proxy, store, workers, rates, ready }) {
      const up = nodes.filter(({ state }) => state === 'up').length
      const unsure = nodes.length === 0 || nodes.some(({ state }) => state === 'unknown')
      const tone = ({ state }) => ({ good: 'good', bad: 'bad', plain: 'unknown' })[processTone(state)]
      rows([
        { name: 'producers', text: 'any', speed: rate(rates.published) },
        ...(proxy === undefined
          ? []
          : [{ name: 'HAProxy', text: proxy.state, tone: tone(proxy), speed: rate(rates.published) }]),
        {
          ...{
            name: 'nodes',
            text: nodes.length === 0 ? '–' : `${up} of ${nodes.length} up, ${plural(ready, 'message')} waiting`,
          },
          ...{ tone: unsure ? 'unknown' : up === nodes.length ? 'good' : 'bad', speed: rate(rates.delivered) },
        },
        {
          ...{
            name: 'workers',
            at: href(['workers']),
            text: workers.inAll === undefined ? '–' : `${count(workers.well)} of ${count(workers.inAll)} well`,
          },
          tone: workers.inAll > 0 && workers.well === workers.inAll ? 'good' : undefined,
          // Those that are silent do not say what they store.
          speed: store === undefined ? undefined : rate(workers.silent > 0 ? undefined : rates.finished),
        },
        ...(store === undefined ? [] : [{ name: 'result store', text: store.state, tone: tone(store) }]),
      ])
    },
  }
}

function nodesOf(session, moment, leads) {
  const list = h('ul', { class: 'cards' })
  const cards = keyed(
    list,
    ({ name }) => name,
    (first) => card(first.name, session.can.control, moment, leads),
  )
  return {
    element: list,
    update({ nodes, store, stores }) {
      const servers = stores ?? (store?.controlled ? [store] : [])
      cards([...nodes, ...servers.map((each) => ({ ...each, isStore: true, alarms: [], partitions: [] }))])
    },
  }
}

function card(name, control, moment, leads) {
  const state = badge('')
  const list = h('dl')
  const buttons = h('div', { class: 'acts' })
  const fact = (title) => {
    const value = h('dd')
    const row = h('div', {}, h('dt', {}, title), value)
    list.append(row)
    return (text) => {
      row.hidden = text === undefined
      if (text !== undefined) setText(value, text)
    }
  }
  const [memory, disk, uptime, front, leading, trouble] = [
    'Memory',
    'Disk free',
    'Up for',
    'HAProxy',
    'Leads',
    'Trouble',
  ].map(fact)
  // What it leads is asked for at that moment.
  const offer = processButtons(buttons, async () => {
    const led = await get('/nodes').catch(() => undefined)
    return consequences(name, moment(), led?.[name], led !== undefined && led !== null)
  })
  return {
    element: h('li', { class: 'card' }, h('h3', {}, name, ' ', state), list, buttons),
    update(node) {
      setBadge(state, node.why === undefined ? node.state : `${node.state} (${node.why})`, processTone(node.state))
      const limit = node.memoryLimitBytes === undefined ? '' : ` of ${bytes(node.memoryLimitBytes)}`
      memory(node.isStore ? undefined : node.memoryBytes === undefined ? '–' : `${bytes(node.memoryBytes)}${limit}`)
      disk(node.isStore ? undefined : bytes(node.diskFreeBytes))
      uptime(node.isStore ? undefined : duration(node.uptimeMs))
      front(node.isStore || node.front === undefined ? undefined : node.front)
      const led = leads()?.[name]
      leading(node.isStore ? undefined : led === undefined ? '–' : plural(led.quorum + led.alone, 'queue'))
      const troubles = [
        ...node.alarms.map((alarm) => `${alarm} alarm`),
        ...(node.partitions.length > 0 ? [`cut off from ${node.partitions.join(', ')}`] : []),
      ]
      trouble(troubles.length === 0 ? undefined : troubles.join(', '))
      offer(name, node.isStore ? node.state : (LAUNCHER_STATES[node.state] ?? 'running'), control && node.controlled)
    },
  }
}

/** What the loss of a node means just now. */
function consequences(name, { nodes, store, stores }, led, known) {
  if (stores?.some((each) => each.name === name)) {
    return stores.some((each) => each.name !== name && each.state === 'running')
      ? [
          'The other server takes over within seconds, if this one is the primary. Until then workers hold what they finish.',
        ]
      : ['No server of the store is left: workers hold what they finish, and results cannot be read until one is back.']
  }
  if (store?.name === name) {
    return [
      'While it is away, workers hold what they finish, results cannot be read, and schedules, flows and limits wait for it.',
    ]
  }
  const left = nodes.filter((node) => node.state === 'up' && node.name !== name).length
  return [
    ...(known ? [] : ['What it leads is not known just now.']),
    ...(led?.only.length > 0
      ? [`${led.only.join(', ')} lives only there: it cannot be reached, and its messages wait, until ${name} is back.`]
      : []),
    ...(led?.quorum > 0 ? [`${plural(led.quorum, 'quorum queue')} will choose a leader on another node.`] : []),
    left * 2 > nodes.length
      ? `${left} of ${nodes.length} nodes stay up: a majority, so quorum queues go on.`
      : `Only ${left} of ${nodes.length} nodes would stay up: no majority, so quorum queues take and give nothing until one is back.`,
  ]
}

const legend = () =>
  h(
    'ul',
    { class: 'legend' },
    ...[
      ['leader', 'L', 'leads'],
      ['member', 'm', 'has a copy'],
      ['lost', '✗', 'cannot be reached'],
      ['unknown', '?', 'not known'],
    ].map(([kind, mark, text]) =>
      h('li', {}, h('span', { class: `copy-mark ${kind}`, 'aria-hidden': 'true' }, mark), ` ${text}`),
    ),
  )

const WORDS = {
  leader: ['L', 'leads'],
  member: ['m', 'has a copy'],
  lost: ['✗', 'cannot be reached'],
  unknown: ['?', 'not known'],
}

/** What a node has of a queue; undefined: nothing. */
export function copyOf({ leader, members, online, state }, node) {
  const has = leader === node.name || members?.includes(node.name)
  if (!has) return undefined
  if (node.state === 'down' || node.state === 'frozen' || isAway({ state })) return 'lost'
  if (node.state === 'unknown' || state === 'unknown') return 'unknown'
  if (leader === node.name) return 'leader'
  return online === undefined ? 'unknown' : online.includes(node.name) ? 'member' : 'lost'
}

function matrixOf() {
  const head = h('tr')
  const body = h('tbody')
  let names = ''
  let nodes = []
  const create = () => {
    const link = h('a')
    const waiting = h('td', { class: 'number' })
    const cells = nodes.map(() => h('td', { class: 'copy-cell' }))
    return {
      element: h('tr', {}, h('th', { scope: 'row' }, link), waiting, cells),
      update(queue) {
        setText(link, visible(queue.name))
        setAttribute(link, 'href', href(['queues', queue.vhost, queue.name]))
        setText(waiting, count(queue.ready))
        for (const [index, node] of nodes.entries()) drawCopy(cells[index], copyOf(queue, node))
      },
    }
  }
  let rows = keyed(body, ({ vhost, name }) => `${vhost}\n${name}`, create)
  const table = h(
    'table',
    { class: 'matrix' },
    h('caption', { class: 'unseen' }, 'Queues and nodes'),
    h('thead', {}, head),
    body,
  )
  return {
    element: h('div', { class: 'wide', tabindex: '0', role: 'region', 'aria-label': 'Queues and nodes' }, table),
    update(queues, given) {
      nodes = given
      const text = given.map(({ name }) => name).join('\n')
      if (text !== names) {
        names = text
        body.replaceChildren()
        rows = keyed(body, ({ vhost, name }) => `${vhost}\n${name}`, create)
        head.replaceChildren(
          h('th', { scope: 'col' }, 'Queue'),
          h('th', { scope: 'col', class: 'number' }, 'Waiting'),
          ...given.map(({ name }) => h('th', { scope: 'col', class: 'copy-cell' }, nodeTitle(visible(name)))),
        )
      }
      rows(queues)
    },
  }
}

/** On a telephone the number of `rabbitmq-3` has to do. */
function nodeTitle(name) {
  const [, before = '', number = name] = /^(.+\D)(\d+)$/.exec(name) ?? []
  return [before === '' ? undefined : h('span', { class: 'before' }, before), number]
}

function drawCopy(cell, kind) {
  if (cell.dataset.kind === String(kind)) return
  cell.dataset.kind = String(kind)
  const [mark, word] = WORDS[kind] ?? []
  cell.replaceChildren(
    ...(mark === undefined
      ? []
      : [h('span', { class: `copy-mark ${kind}`, 'aria-hidden': 'true' }, mark), h('span', { class: 'unseen' }, word)]),
  )
}

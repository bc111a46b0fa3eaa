/** Where everything is in the picture. Pure: from a moment to a list of shapes, each with a key that stays. */
import { count, isAway, plural, rate, visible, wholeSum } from '../format.js'

const WIDTH = 1220
const TOP = 34
/** Columns by their left edge and width. */
const COLUMN = {
  producers: { x: 10, width: 110 },
  proxy: { x: 180, width: 110 },
  exchanges: { x: 350, width: 170 },
  nodes: { x: 590, width: 330 },
  workers: { x: 1000, width: 210 },
}
/** A telephone's: one below the other. */
const NARROW = { width: 360, column: { x: 10, width: 340 }, step: 40 }
const CHIP = 24
const NODE_HEAD = 30
const GAP = 14
const BOX = 56
/** More than these would be no picture; the tables have them all. */
const MOST_QUEUES = 10
const MOST_WORKERS = 149

const cut = (text, length) => (text.length <= length ? text : `${text.slice(0, length - 1)}…`)
const idOf = ({ vhost, name }) => `${vhost}\n${name}`

export const layOut = (moment, narrow) => (narrow ? downwards(moment) : across(moment))

function across(moment) {
  const shapes = []
  const parts = partsOf(moment)
  heads(shapes)
  const { places, bottom } = nodes(shapes, moment, parts, COLUMN.nodes, TOP)
  const exchanges = exchangeBoxes(shapes, parts, bottom)
  const middle = TOP + (bottom - TOP) / 2
  const at = { producers: middle - BOX / 2, proxy: middle - BOX / 2 }
  const producers = producersBox(shapes, moment, COLUMN.producers, at.producers)
  const proxy = serverBox(shapes, 'proxy', 'HAProxy', moment.proxy, COLUMN.proxy, at.proxy)
  const workers = workerBox(shapes, moment, COLUMN.workers, (height) => Math.max(TOP, middle - height / 2))
  const store = serverBox(shapes, 'store', 'result store', moment.store, COLUMN.workers, foot(workers) + 46)
  const others = otherConsumers(shapes, parts, COLUMN.workers, foot(store ?? workers) + 46)
  edges(shapes, { moment, producers, proxy, exchanges, places, workers, store, others, parts })
  const ends = [bottom, ...[...exchanges.values()].map(foot), ...[workers, store, others].filter(Boolean).map(foot)]
  return { width: WIDTH, height: Math.max(...ends) + 16, shapes }
}

/** One below the other, with what goes from each to the next. */
function downwards(moment) {
  const shapes = []
  const parts = partsOf(moment)
  const { column, step, width } = NARROW
  const { published, delivered, finished } = moment.rates
  let end = producersBox(shapes, moment, column, 8)
  const below = (key, speed, next) => {
    const box = next(foot(end) + step)
    if (box === undefined) return
    fall(shapes, key, end, box, speed)
    end = box
  }
  below('producers proxy', published, (y) => serverBox(shapes, 'proxy', 'HAProxy', moment.proxy, column, y))
  below('exchanges', published, (y) => exchangeGrid(shapes, parts, column, y))
  below('queues', wholeSum(parts.tasks.map((queue) => queue.published)), (y) => {
    const { bottom } = nodes(shapes, moment, parts, column, y)
    return { ...column, y, height: bottom - GAP - y }
  })
  below('take', delivered, (y) => workerBox(shapes, moment, column, () => y))
  below('store', finished, (y) => serverBox(shapes, 'store', 'result store', moment.store, column, y))
  return { width, height: foot(end) + 16, shapes }
}

/** What of the moment is in the picture, and how much is not. */
function partsOf({ queues, queuesInAll, exchanges, workers, workersUnknown }) {
  const of = (...roles) => queues.filter(({ role }) => roles.includes(role))
  const delays = of('delay', 'retry')
  const tasks = [...of('task'), ...of('other')].slice(0, MOST_QUEUES)
  const dead = of('deadLetters').slice(0, MOST_QUEUES)
  const all = ['commands', 'other', 'deadLetters'].map((role) => exchanges.filter((each) => each.role === role))
  const shownExchanges = [...[...all[0], ...all[1]].slice(0, MOST_QUEUES), ...all[2].slice(0, MOST_QUEUES)]
  const unread = workersUnknown || workers.length > 0
  const taken = new Set(workers.flatMap((worker) => worker.queues.map(({ queue }) => queue)))
  return {
    ...{ tasks, delays, shown: [...tasks, ...dead], exchanges: shownExchanges },
    moreQueues: (queuesInAll ?? queues.length) - tasks.length - dead.length - delays.length,
    moreExchanges: all.flat().length - shownExchanges.length,
    /** Only what these workers take from flows into them: others may be on the same broker. */
    isTaken: ({ name, role }) => taken.has(name) || (taken.size === 0 && unread && role === 'task'),
  }
}

const foot = ({ y, height }) => y + height

function heads(shapes) {
  const titles = { exchanges: 'exchanges', nodes: 'queues on nodes' }
  for (const [name, text] of Object.entries(titles)) words(shapes, `head ${name}`, COLUMN[name].x, 20, text, 'head')
}

function words(shapes, key, x, y, text, kind) {
  shapes.push({ key, layer: 'text', tag: 'text', class: kind, x, y, text })
}

function box(shapes, key, { x, width }, y, lines, kind, height = BOX) {
  shapes.push({ key, layer: 'box', tag: 'rect', class: `box ${kind}`, x, y, width, height, rx: 8 })
  for (const [index, text] of lines.entries()) {
    const short = cut(text, Math.floor(width / 7.8))
    words(shapes, `${key} line ${index}`, x + 10, y + 23 + index * 19, short, index === 0 ? 'name' : 'fact')
  }
  return { x, y, width, height }
}

const producersBox = (shapes, { rates }, column, y) =>
  box(shapes, 'producers', column, y, ['producers', rate(rates.published)], '')

function serverBox(shapes, key, title, server, column, y) {
  if (server === undefined) return undefined
  const { state } = server
  const well = state === 'running' || state === 'available'
  return box(shapes, key, column, y, [title, state], well ? '' : state === 'unknown' ? 'unknown' : 'lost')
}

/** Who takes from queues that the workers do not take from. */
function otherConsumers(shapes, { tasks, isTaken }, column, y) {
  const theirs = tasks.filter((queue) => !isTaken(queue) && queue.consumers > 0)
  if (theirs.length === 0) return undefined
  const number = wholeSum(theirs.map(({ consumers }) => consumers))
  return box(shapes, 'others', column, y, ['others', plural(number, 'consumer')], '')
}

/** A box for each node, with a chip for each queue that it leads or has a copy of. */
function nodes(shapes, moment, { shown, delays, moreQueues }, column, top) {
  const places = new Map()
  let y = top
  for (const node of moment.nodes) {
    const here = shown.filter(({ leader, members }) => leader === node.name || members?.includes(node.name))
    const height = NODE_HEAD + Math.max(1, here.length) * CHIP + 8
    const kind = { up: '', unknown: 'unknown' }[node.state] ?? 'lost'
    box(shapes, `node ${node.name}`, column, y, [node.name], `node ${kind}`, height)
    const tone = kind === 'lost' ? 'bad' : ''
    const end = column.x + column.width - 10
    words(shapes, `node ${node.name} state`, end, y + 22, stateOf(node), `fact end ${tone}`)
    for (const [index, queue] of here.entries()) {
      const leads = queue.leader === node.name
      const place = chip(shapes, queue, node, column, y + NODE_HEAD + index * CHIP, leads)
      if (leads) places.set(idOf(queue), place)
    }
    y += height + GAP
  }
  if (delays.length > 0) {
    const lines = ['delayed', count(wholeSum(delays.map(({ ready }) => ready)))]
    y = foot(box(shapes, 'delays', column, y, lines, '')) + GAP
  }
  if (moreQueues > 0) {
    words(shapes, 'more queues', column.x + 10, y + 12, `+${plural(moreQueues, 'more queue')} in the table`, 'fact')
    y += 20 + GAP
  }
  return { places, bottom: Math.max(y, top + 200) }
}

function stateOf({ state, why, front }) {
  const proxied = front === undefined || front === 'UP' ? '' : `, HAProxy: ${front}`
  return `${state}${why === undefined ? '' : ` (${why})`}${state === 'up' ? proxied : ''}`
}

function chip(shapes, queue, node, column, y, leads) {
  const lost = (leads && isAway(queue)) || node.state === 'down' || node.state === 'frozen'
  const unknown = !lost && (queue.state === 'unknown' || node.state === 'unknown')
  const place = { x: column.x + 8, y, width: column.width - 16, height: CHIP - 4 }
  const key = `chip ${node.name} ${queue.vhost} ${queue.name}`
  const dead = queue.role === 'deadLetters' ? 'dead' : ''
  const kind = `${leads ? 'leader' : 'member'} ${lost ? 'lost' : unknown ? 'unknown' : ''} ${dead}`
  shapes.push({ key, layer: 'box', tag: 'rect', class: `chip ${kind}`, ...place, rx: 5 })
  const depth = leads ? count(queue.ready) : ''
  const name = cut(visible(queue.name), 38)
  words(shapes, `${key} name`, place.x + 8, y + 15, name, `chip-text ${leads ? '' : 'quiet'}`)
  words(shapes, `${key} depth`, place.x + place.width - 8, y + 15, depth, 'chip-text end')
  return place
}

const exchangeBox = (shapes, exchange, column, y) =>
  box(
    shapes,
    `exchange ${exchange.vhost} ${exchange.name}`,
    column,
    y,
    [visible(exchange.name), rate(exchange.published)],
    exchange.role === 'deadLetters' ? 'dead' : '',
  )

function exchangeBoxes(shapes, { exchanges, moreExchanges }, bottom) {
  const { x } = COLUMN.exchanges
  const step = Math.max(BOX + 8, Math.min(110, (bottom - TOP - GAP) / Math.max(1, exchanges.length)))
  if (moreExchanges > 0) {
    words(shapes, 'more exchanges', x + 10, TOP + exchanges.length * step + 6, `+${count(moreExchanges)} more`, 'fact')
  }
  return new Map(
    exchanges.map((exchange, index) => [
      idOf(exchange),
      exchangeBox(shapes, exchange, COLUMN.exchanges, TOP + index * step),
    ]),
  )
}

/** Two in each row. Undefined when there is none. */
function exchangeGrid(shapes, { exchanges, moreExchanges }, { x, width }, y) {
  if (exchanges.length === 0) return undefined
  const half = (width - 10) / 2
  for (const [index, exchange] of exchanges.entries()) {
    const column = { x: x + (index % 2) * (half + 10), width: half }
    exchangeBox(shapes, exchange, column, y + Math.floor(index / 2) * (BOX + 8))
  }
  const height = Math.ceil(exchanges.length / 2) * (BOX + 8) - 8
  const more = moreExchanges > 0 ? 22 : 0
  if (more) words(shapes, 'more exchanges', x + 10, y + height + 18, `+${count(moreExchanges)} more`, 'fact')
  return { x, width, y, height: height + more }
}

/** One small square for each worker. */
function workerBox(shapes, { workers, workersUnknown, rates }, column, top) {
  const side = 16
  const perRow = Math.floor((column.width - 20) / (side + 5))
  const list = workers.slice(0, MOST_WORKERS)
  const more = workers.length - list.length
  const rows = Math.max(1, Math.ceil(list.length / perRow))
  const height = 54 + rows * (side + 4) + (more > 0 ? 18 : 0)
  const title = plural(workersUnknown ? undefined : workers.length, 'worker')
  const place = box(shapes, 'workers', column, top(height), [title, `${rate(rates.finished)} finished`], '', height)
  if (more > 0) words(shapes, 'more workers', place.x + 10, foot(place) - 7, `+${count(more)} more`, 'fact')
  for (const [index, { name, state, running, queues }] of list.entries()) {
    const well = state === 'running' || state === 'connected'
    const known = running !== undefined || queues.length > 0
    const kind = !well ? 'lost' : running > 0 ? 'busy' : known ? 'idle' : 'unknown'
    shapes.push({
      ...{ key: `worker ${name}`, layer: 'text', tag: 'rect', class: `worker ${kind}` },
      ...{ x: place.x + 10 + (index % perRow) * (side + 5), y: place.y + 52 + Math.floor(index / perRow) * (side + 4) },
      ...{ width: side, height: side, rx: 3 },
    })
  }
  return place
}

function edges(shapes, { moment, producers, proxy, exchanges, places, workers, store, others, parts }) {
  if (proxy) edge(shapes, 'producers proxy', producers, proxy, moment.rates.published)
  for (const exchange of parts.exchanges) {
    const from = exchanges.get(idOf(exchange))
    const dead = exchange.role === 'deadLetters'
    if (!dead) edge(shapes, `in ${idOf(exchange)}`, proxy ?? producers, from, exchange.published)
    for (const queue of parts.shown) {
      const place = places.get(idOf(queue))
      if (place === undefined || queue.vhost !== exchange.vhost || !exchange.queues.includes(queue.name)) continue
      edge(shapes, `bind ${exchange.name} ${idOf(queue)}`, from, place, queue.published, dead ? 'dead' : '')
    }
  }
  for (const queue of parts.shown) {
    const place = places.get(idOf(queue))
    if (place === undefined || queue.role === 'deadLetters') continue
    if (parts.isTaken(queue)) edge(shapes, `take ${idOf(queue)}`, place, workers, queue.delivered)
    else if (others && queue.consumers > 0) edge(shapes, `take ${idOf(queue)}`, place, others, queue.delivered)
    const target = exchanges.get(idOf({ vhost: queue.vhost, name: queue.deadLetterExchange }))
    // What is dead-lettered goes back to the left, to an exchange again.
    if (target) edge(shapes, `dead ${idOf(queue)}`, place, target, 0, 'dead back')
  }
  if (store) fall(shapes, 'store', workers, store, moment.rates.finished)
}

/** From a box to the one below it. */
function fall(shapes, key, from, to, speed) {
  const x = from.x + from.width / 2
  const d = `M${x} ${foot(from)}V${to.y - 3}`
  line(shapes, key, d, speed, '', x + 8, (foot(from) + to.y) / 2 + 4, 'start')
}

function edge(shapes, key, from, to, speed, kind = '') {
  const back = kind.includes('back')
  const [x1, x2] = back ? [from.x, to.x + to.width] : [from.x + from.width, to.x]
  const [y1, y2] = [from.y + from.height / 2 + (back ? 6 : 0), to.y + to.height / 2]
  const bend = (x2 - x1) / 2
  const d = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`
  line(shapes, key, d, speed, kind, (x1 + x2) / 2, (y1 + y2) / 2 - 5, 'middle')
}

function line(shapes, key, d, speed, kind, x, y, anchor) {
  const width = 1.2 + Math.min(4, Math.log10(1 + (speed ?? 0)))
  const flows = speed > 0 ? 'flows' : ''
  shapes.push({
    key: `line ${key}`,
    layer: 'line',
    tag: 'path',
    class: `edge ${kind} ${flows}`,
    d,
    'stroke-width': width.toFixed(2),
    'marker-end': 'url(#arrow)',
  })
  shapes.push({
    key: `rate ${key}`,
    layer: 'text',
    tag: 'text',
    class: 'rate',
    x,
    y,
    'text-anchor': anchor,
    text: speed === 0 ? '' : rate(speed),
  })
}

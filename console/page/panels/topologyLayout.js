/** Where everything is in the picture. Pure: from a moment to a list of shapes, each with a key that stays. */
import { count, rate, visible } from '../format.js'

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
const CHIP = 24
const NODE_HEAD = 30
const GAP = 14
const BOX = 56
/** More than these would be no picture; the table has them all. */
const MOST_QUEUES = 10
const MOST_WORKERS = 149

const cut = (text, length) => (text.length <= length ? text : `${text.slice(0, length - 1)}…`)

export function layOut(moment) {
  const shapes = []
  const tasks = moment.queues.filter(({ role }) => role === 'task' || role === 'other').slice(0, MOST_QUEUES)
  const dead = moment.queues.filter(({ role }) => role === 'deadLetters').slice(0, MOST_QUEUES)
  const shown = [...tasks, ...dead]
  heads(shapes)
  const { places, bottom } = nodes(shapes, moment, shown)
  const exchanges = exchangeBoxes(shapes, moment, bottom)
  const middle = TOP + (bottom - TOP) / 2
  const producers = box(
    shapes,
    'producers',
    COLUMN.producers,
    middle - BOX / 2,
    ['producers', rate(moment.rates.published)],
    '',
  )
  const proxy =
    moment.proxy === undefined
      ? undefined
      : box(
          shapes,
          'proxy',
          COLUMN.proxy,
          middle - BOX / 2,
          ['HAProxy', moment.proxy.state],
          moment.proxy.state === 'running' ? '' : 'lost',
        )
  const workers = workerBox(shapes, moment, middle)
  const store =
    moment.store &&
    box(
      shapes,
      'store',
      COLUMN.workers,
      workers.y + workers.height + 46,
      ['result store', moment.store.state],
      ok(moment.store) ? '' : 'lost',
    )
  edges(shapes, { moment, producers, proxy, exchanges, places, workers, store, shown })
  const ends = [bottom, ...[...exchanges.values()].map(foot), foot(workers), ...(store ? [foot(store)] : [])]
  return { width: WIDTH, height: Math.max(...ends) + 16, shapes }
}

const ok = ({ state }) => state === 'running' || state === 'available'
const foot = ({ y, height }) => y + height

function heads(shapes) {
  const titles = { exchanges: 'exchanges', nodes: 'queues on nodes' }
  for (const [name, text] of Object.entries(titles)) {
    shapes.push({ key: `head ${name}`, layer: 'text', tag: 'text', class: 'head', x: COLUMN[name].x, y: 20, text })
  }
}

function box(shapes, key, { x, width }, y, lines, kind, height = BOX) {
  shapes.push({ key, layer: 'box', tag: 'rect', class: `box ${kind}`, x, y, width, height, rx: 8 })
  for (const [index, text] of lines.entries()) {
    shapes.push({
      ...{ key: `${key} line ${index}`, layer: 'text', tag: 'text', class: index === 0 ? 'name' : 'fact' },
      ...{ x: x + 10, y: y + 23 + index * 19, text: cut(text, Math.floor(width / 7)) },
    })
  }
  return { x, y, width, height }
}

/** A box for each node, with a chip for each queue that it leads or has a copy of. */
function nodes(shapes, moment, shown) {
  const places = new Map()
  let y = TOP
  for (const node of moment.nodes) {
    const here = shown.filter(({ leader, members }) => leader === node.name || members.includes(node.name))
    const height = NODE_HEAD + Math.max(1, here.length) * CHIP + 8
    const up = node.state === 'up'
    box(shapes, `node ${node.name}`, COLUMN.nodes, y, [node.name], up ? 'node' : 'node lost', height)
    shapes.push({
      ...{ key: `node ${node.name} state`, layer: 'text', tag: 'text', class: `fact end ${up ? '' : 'bad'}` },
      ...{ x: COLUMN.nodes.x + COLUMN.nodes.width - 10, y: y + 22, text: stateOf(node) },
    })
    here.forEach((queue, index) => {
      const leads = queue.leader === node.name
      const place = chip(shapes, queue, node, y + NODE_HEAD + index * CHIP, leads)
      if (leads) places.set(queue.name, place)
    })
    y += height + GAP
  }
  return { places, bottom: Math.max(y, TOP + 200) }
}

function stateOf({ state, why, front }) {
  const proxied = front === undefined || front === 'UP' ? '' : `, HAProxy: ${front}`
  return `${state}${why === undefined ? '' : ` (${why})`}${state === 'up' ? proxied : ''}`
}

function chip(shapes, queue, node, y, leads) {
  const { x, width } = COLUMN.nodes
  const lost = (leads && queue.state !== 'running') || node.state === 'down' || node.state === 'frozen'
  const place = { x: x + 8, y, width: width - 16, height: CHIP - 4 }
  const key = `chip ${node.name} ${queue.vhost} ${queue.name}`
  const kind = `${leads ? 'leader' : 'member'} ${lost ? 'lost' : ''} ${queue.role === 'deadLetters' ? 'dead' : ''}`
  shapes.push({ key, layer: 'box', tag: 'rect', class: `chip ${kind}`, ...place, rx: 5 })
  const depth = leads ? `${count(queue.ready)}` : ''
  const common = { layer: 'text', tag: 'text', y: y + 15 }
  shapes.push({
    ...common,
    key: `${key} name`,
    class: `chip-text ${leads ? '' : 'quiet'}`,
    x: place.x + 8,
    text: cut(visible(queue.name), 38),
  })
  shapes.push({ ...common, key: `${key} depth`, class: 'chip-text end', x: place.x + place.width - 8, text: depth })
  return place
}

function exchangeBoxes(shapes, { exchanges }, bottom) {
  const commands = exchanges.filter(({ role }) => role !== 'deadLetters').slice(0, MOST_QUEUES)
  const dead = exchanges.filter(({ role }) => role === 'deadLetters').slice(0, MOST_QUEUES)
  const all = [...commands, ...dead]
  const step = Math.max(BOX + 8, Math.min(110, (bottom - TOP - GAP) / Math.max(1, all.length)))
  return new Map(
    all.map((exchange, index) => [
      exchange.name,
      box(
        shapes,
        `exchange ${exchange.vhost} ${exchange.name}`,
        COLUMN.exchanges,
        TOP + index * step,
        [visible(exchange.name), rate(exchange.published)],
        exchange.role === 'deadLetters' ? 'dead' : '',
      ),
    ]),
  )
}

/** One small square for each worker. */
function workerBox(shapes, { workers, rates }, middle) {
  const side = 16
  const perRow = 9
  const list = workers.slice(0, MOST_WORKERS)
  const rows = Math.max(1, Math.ceil(list.length / perRow))
  const height = 54 + rows * (side + 4)
  const place = box(
    shapes,
    'workers',
    COLUMN.workers,
    Math.max(TOP, middle - height / 2),
    [`${count(workers.length)} worker${workers.length === 1 ? '' : 's'}`, `${rate(rates.finished)} finished`],
    '',
    height,
  )
  list.forEach(({ name, state, running = 0 }, index) => {
    const well = state === 'running' || state === 'connected'
    shapes.push({
      ...{
        key: `worker ${name}`,
        layer: 'text',
        tag: 'rect',
        class: `worker ${well ? (running > 0 ? 'busy' : 'idle') : 'lost'}`,
      },
      ...{ x: place.x + 10 + (index % perRow) * (side + 5), y: place.y + 52 + Math.floor(index / perRow) * (side + 4) },
      ...{ width: side, height: side, rx: 3 },
    })
  })
  return place
}

function edges(shapes, { moment, producers, proxy, exchanges, places, workers, store, shown }) {
  if (proxy) edge(shapes, 'producers proxy', producers, proxy, moment.rates.published)
  for (const exchange of moment.exchanges) {
    const from = exchanges.get(exchange.name)
    if (from === undefined) continue
    const dead = exchange.role === 'deadLetters'
    if (!dead) edge(shapes, `in ${exchange.name}`, proxy ?? producers, from, exchange.published)
    for (const name of exchange.queues) {
      const queue = shown.find((each) => each.name === name)
      const place = places.get(name)
      if (queue && place)
        edge(shapes, `bind ${exchange.name} ${name}`, from, place, queue.published, dead ? 'dead' : '')
    }
  }
  for (const queue of shown) {
    const place = places.get(queue.name)
    if (place === undefined) continue
    if (queue.role !== 'deadLetters') edge(shapes, `take ${queue.name}`, place, workers, queue.delivered)
    const target = exchanges.get(queue.deadLetterExchange ?? '')
    // What is dead-lettered goes back to the left, to an exchange again.
    if (target && queue.role !== 'deadLetters') edge(shapes, `dead ${queue.name}`, place, target, 0, 'dead back')
  }
  if (store) {
    const x = workers.x + workers.width / 2
    const d = `M${x} ${workers.y + workers.height}V${store.y - 3}`
    line(
      shapes,
      'store',
      d,
      moment.rates.finished ?? 0,
      '',
      x + 8,
      (workers.y + workers.height + store.y) / 2 + 4,
      'start',
    )
  }
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
  const width = 1.2 + Math.min(4, Math.log10(1 + speed))
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
    text: speed > 0 ? rate(speed) : '',
  })
}

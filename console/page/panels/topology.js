/** The picture: producers → HAProxy → exchanges → queues on their nodes → workers → store, and where dead letters go. */
import { h, setAttribute, setText, svg } from '../dom.js'
import { count, isAway, plural, rate, wholeSum } from '../format.js'
import { panel } from './panel.js'
import { layOut } from './topologyLayout.js'

/** Below it the picture's text would be too small to read: then it goes downwards. */
const WIDE = 820

export function topologyPanel() {
  const painter = paint()
  const picture = svg(
    'svg',
    { class: 'picture', role: 'img', preserveAspectRatio: 'xMidYMin meet' },
    arrows(),
    painter.layers,
  )
  const frame = h(
    'div',
    { class: 'wide', tabindex: '0', role: 'region', 'aria-label': 'Picture of the cluster' },
    picture,
  )
  const legend = h(
    'ul',
    { class: 'legend' },
    ...[
      ['leader', 'leads the queue'],
      ['member', 'has a copy'],
      ['lost', 'cannot be reached'],
      ['unknown', 'state unknown'],
      ['busy', 'worker that runs a task'],
    ].map(([kind, text]) => h('li', {}, h('span', { class: `key ${kind}` }), text)),
  )
  let moment
  const draw = () => {
    if (moment === undefined || frame.clientWidth === 0) return
    const narrow = frame.clientWidth < WIDE
    const { width, height, shapes } = layOut(moment, narrow)
    setAttribute(picture, 'class', narrow ? 'picture narrow' : 'picture')
    setAttribute(picture, 'viewBox', `0 0 ${width} ${height}`)
    setAttribute(picture, 'aria-label', inWords(moment))
    painter.draw(shapes)
  }
  const resized = new ResizeObserver(draw)
  resized.observe(frame)
  const made = panel('topology', 'The cluster', [frame, legend], (event, data) => {
    if (event !== 'moment') return
    moment = data
    draw()
  })
  made.close = () => resized.disconnect()
  return made
}

/** What the picture shows, for those who do not see it; the tables below have all of it. */
function inWords({ nodes, queues, workers, rates }) {
  const sentence = ({ name, state }) => `${name} is ${state}`
  const down = nodes.filter(({ state }) => state !== 'up').map(sentence)
  const lost = queues.filter(isAway).map(sentence)
  return [
    `${plural(nodes.length, 'node')}, ${plural(queues.length, 'queue')}, ${plural(workers.length, 'worker')}`,
    `${rate(rates.published)} published, ${rate(rates.delivered)} delivered, ${count(wholeSum(queues.map(({ ready }) => ready)))} waiting`,
    ...down,
    ...lost,
  ].join('; ')
}

function arrows() {
  const arrow = svg('marker', {
    id: 'arrow',
    viewBox: '0 0 8 8',
    refX: '7',
    refY: '4',
    markerWidth: '7',
    markerHeight: '7',
    orient: 'auto',
  })
  arrow.append(svg('path', { d: 'M0 0L8 4L0 8z', class: 'arrow' }))
  return svg('defs', {}, arrow)
}

/** Keeps one element for each shape, by its key, so that only what changes is touched. Lines lie below boxes. */
function paint() {
  const layers = { line: svg('g'), box: svg('g'), text: svg('g') }
  const kept = new Map()
  return {
    layers: Object.values(layers),
    draw(shapes) {
      const wanted = new Set(shapes.map(({ key }) => key))
      for (const [key, element] of kept) {
        if (wanted.has(key)) continue
        element.remove()
        kept.delete(key)
      }
      for (const { key, layer, tag, text, title, ...attributes } of shapes) {
        let element = kept.get(key)
        if (element === undefined) {
          element = svg(tag)
          kept.set(key, element)
          layers[layer].append(element)
        }
        for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value)
        if (text !== undefined) setText(element, text)
      }
    },
  }
}

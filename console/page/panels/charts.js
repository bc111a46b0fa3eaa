/** Rates, backlog and how long handlers take, over time. */

import { h, setText } from '../dom.js'
import { clock, count, duration, rate } from '../format.js'
import uPlot from '../lib/uPlot.esm.js'
import { panel } from './panel.js'

const CHARTS = [
  {
    ...{ name: 'rates', title: 'Messages a second', show: rate },
    series: [
      ['published', 'published'],
      ['delivered', 'delivered'],
      ['finished', 'finished'],
      ['deadLettered', 'dead-lettered'],
    ],
  },
  {
    ...{ name: 'backlog', title: 'Messages in queues', show: count },
    series: [
      ['ready', 'waiting'],
      ['unacknowledged', 'held by workers'],
    ],
  },
  {
    ...{ name: 'latency', title: 'How long handlers take', show: duration },
    series: [
      ['p50', 'half within'],
      ['p95', '95 % within'],
      ['p99', '99 % within'],
    ],
  },
]
const WINDOWS = [
  ['5 minutes', 300],
  ['15 minutes', 900],
  ['1 hour', 3600],
]
/** One hour at a row each two seconds, as the server keeps it. */
const MOST_ROWS = 1_800
const HEIGHT = 170

export function chartsPanel() {
  let names = []
  /** Columns: seconds since 1970, then one for each series. */
  let columns = []
  const select = h(
    'select',
    { id: 'window', onchange: () => draw() },
    WINDOWS.map(([text, seconds]) => h('option', { value: seconds }, text)),
  )
  const charts = CHARTS.map((definition) => chart(definition))
  const append = (row) => {
    for (const [index, value] of row.entries()) {
      columns[index].push(value)
      if (columns[index].length > MOST_ROWS) columns[index].shift()
    }
  }
  const draw = () => {
    const [times = []] = columns
    const last = times.at(-1) ?? Date.now() / 1000
    const from = last - Number(select.value)
    const first = times.findIndex((time) => time >= from)
    for (const each of charts) {
      each.draw(from, last, (name) =>
        (name === 'time' ? times : (columns[names.indexOf(name) + 1] ?? [])).slice(Math.max(0, first)),
      )
    }
  }
  const content = [
    h('p', { class: 'tools' }, h('label', { for: 'window' }, 'The last '), select),
    h(
      'div',
      { class: 'charts' },
      charts.map(({ element }) => element),
    ),
  ]
  const repaint = () => {
    for (const each of charts) each.repaint()
    draw()
  }
  document.addEventListener('themechange', repaint)
  const made = panel('rates', 'Over time', content, (event, data) => {
    if (event === 'hello') {
      names = data.series
      columns = [[], ...names.map(() => [])]
      for (const row of data.rows) append(row)
      draw()
    }
    if (event === 'row') {
      append(data)
      draw()
    }
  })
  made.close = () => {
    document.removeEventListener('themechange', repaint)
    for (const each of charts) each.close()
  }
  return made
}

function chart({ name, title, series, show }) {
  const frame = h('div', { class: 'plot', 'aria-hidden': 'true' })
  const values = series.map(() => h('span', { class: 'value' }, '–'))
  const keys = series.map((_, index) => h('span', { class: `key line-${index}` }))
  const legend = h(
    'ul',
    { class: 'legend' },
    series.map(([, label], index) => h('li', {}, keys[index], `${label} `, values[index])),
  )
  const element = h('figure', { id: `chart-${name}` }, h('figcaption', {}, title), frame, legend)
  let plot
  const build = () => {
    // The chart paints by itself, and needs colours as they came out: those of the legend and of its frame.
    const { color: text, borderTopColor: line } = getComputedStyle(frame)
    const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } }
    plot?.destroy()
    plot = new uPlot(
      {
        ...{
          width: Math.max(200, frame.clientWidth),
          height: HEIGHT,
          legend: { show: false },
          cursor: { show: false },
        },
        scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
        axes: [
          { ...axis, space: 74, values: (_, ticks) => ticks.map((tick) => clock(tick * 1000)) },
          { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => show(tick)) },
        ],
        series: [
          {},
          ...series.map(([, label], index) => ({
            ...{
              label,
              stroke: getComputedStyle(keys[index]).backgroundColor,
              width: 2,
              points: { show: false },
              spanGaps: false,
            },
          })),
        ],
      },
      [[], ...series.map(() => [])],
      frame,
    )
  }
  const resized = new ResizeObserver(() => plot?.setSize({ width: Math.max(200, frame.clientWidth), height: HEIGHT }))
  resized.observe(frame)
  return {
    element,
    draw(from, to, columnOf) {
      if (plot === undefined) build()
      const columns = series.map(([key]) => columnOf(key))
      plot.setData([columnOf('time'), ...columns], false)
      plot.setScale('x', { min: from, max: to })
      for (const [index, column] of columns.entries()) setText(values[index], show(column.at(-1)))
    },
    repaint: build,
    close() {
      resized.disconnect()
      plot?.destroy()
    },
  }
}

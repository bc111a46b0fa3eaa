/** Lines over time. The chart paints by itself, and needs colours as they came out: those of its legend and frame. */
import { h, setText } from '../dom.js'
import { clock } from '../format.js'
import uPlot from '../lib/uPlot.esm.js'

const HEIGHT = 170

/** `series` are `[name, label]`; `draw(from, to, columnOf)` shows them, where `columnOf('time')` are seconds since 1970. */
export function chart({ name, title, series, show, height = HEIGHT }) {
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
  let last
  const width = () => Math.max(200, frame.clientWidth)
  const build = () => {
    const { color: text, borderTopColor: line } = getComputedStyle(frame)
    const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } }
    plot?.destroy()
    plot = new uPlot(
      {
        ...{ width: width(), height, legend: { show: false }, cursor: { show: false } },
        scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
        axes: [
          { ...axis, space: 74, values: (_, ticks) => ticks.map((tick) => clock(tick * 1000)) },
          { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => show(tick)) },
        ],
        series: [
          {},
          ...series.map(([, label], index) => ({
            ...{ label, stroke: getComputedStyle(keys[index]).backgroundColor, width: 2 },
            ...{ points: { show: false }, spanGaps: false },
          })),
        ],
      },
      [[], ...series.map(() => [])],
      frame,
    )
  }
  const paint = () => {
    if (last === undefined || !frame.isConnected || frame.clientWidth === 0) return
    if (plot === undefined) build()
    const { from, to, columns } = last
    plot.setData(columns, false)
    plot.setScale('x', { min: from, max: to })
  }
  const resized = new ResizeObserver(() => {
    if (plot === undefined) paint()
    else plot.setSize({ width: width(), height })
  })
  resized.observe(frame)
  const repaint = () => {
    if (plot === undefined) return
    build()
    paint()
  }
  document.addEventListener('themechange', repaint)
  return {
    element,
    draw(from, to, columnOf) {
      const columns = series.map(([key]) => columnOf(key))
      last = { from, to, columns: [columnOf('time'), ...columns] }
      paint()
      for (const [index, column] of columns.entries()) setText(values[index], show(column.at(-1)))
    },
    close() {
      document.removeEventListener('themechange', repaint)
      resized.disconnect()
      plot?.destroy()
    },
  }
}

/** The picture of a drill: confirms and finished tasks a second over time, and what happened when. Plain SVG. */
import { escapeHtml } from './html.js'
import type { Chart, Mark } from './timeline.js'

const WIDTH = 900
const LEFT = 44
const RIGHT = 12
const PANEL = 104
const TITLE = 22
const AXIS = 22
const GAP = 14

const TICKS_SECONDS = [1, 2, 5, 10, 20, 30, 60]

export interface ChartOptions {
  readonly chart: Chart
  /** Those that are numbered in the picture, in order. */
  readonly marks: readonly Mark[]
  readonly ratePerQueue: number
}

export function chartSvg({ chart, marks, ratePerQueue }: ChartOptions): string {
  const { from, to, confirmed, finished } = chart
  const x = (at: number): number => LEFT + ((at - from) / Math.max(1, to - from)) * (WIDTH - LEFT - RIGHT)
  const top = Math.max(
    ratePerQueue * 1.2,
    ...[confirmed, finished].flatMap(({ user, payment }) => [...user, ...payment]),
  )
  const panels = [
    { title: 'Confirmed by RabbitMQ, messages a second', series: confirmed },
    { title: 'Finished by workers, tasks a second', series: finished },
  ]
  const height = panels.length * (TITLE + PANEL + GAP) + AXIS
  const parts = panels.map(({ title, series }, index) => {
    const y0 = index * (TITLE + PANEL + GAP) + TITLE
    const y = (rate: number): number => y0 + PANEL - (rate / top) * PANEL
    const line = (rates: readonly number[]): string =>
      rates.map((rate, bucket) => `${round(x(from + (bucket + 0.5) * chart.bucketMs))},${round(y(rate))}`).join(' ')
    return [
      `<text class="title" x="${LEFT}" y="${y0 - 8}">${escapeHtml(title)}</text>`,
      `<line class="base" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y0 + PANEL}" y2="${y0 + PANEL}"/>`,
      `<line class="rate" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${round(y(ratePerQueue))}" y2="${round(y(ratePerQueue))}"/>`,
      label(y(ratePerQueue), String(ratePerQueue)),
      ...(top > ratePerQueue * 1.5 ? [label(y0, String(Math.round(top)))] : []),
      label(y0 + PANEL, '0'),
      `<polyline class="user" points="${line(series.user)}"/>`,
      `<polyline class="payment" points="${line(series.payment)}"/>`,
    ].join('')
  })
  return [
    `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Rates over time">`,
    band(marks, x, height - AXIS),
    ...parts,
    axis(from, to, x, height),
    ...marks.map((mark, index) => markLine(mark, index + 1, x(Math.max(from, mark.at)), height - AXIS)),
    '</svg>',
  ].join('')
}

/** The time from the first fault to the last repair. */
function band(marks: readonly Mark[], x: (at: number) => number, bottom: number): string {
  const fault = marks.find(({ kind }) => kind === 'fault')
  const repair = marks.findLast(({ kind }) => kind === 'repair')
  if (fault === undefined || repair === undefined) return ''
  const left = x(fault.at)
  return `<rect class="band" x="${round(left)}" y="${TITLE}" width="${round(Math.max(1, x(repair.at) - left))}" height="${bottom - TITLE}"/>`
}

function markLine({ kind, text }: Mark, number: number, x: number, bottom: number): string {
  return `<g class="mark ${kind}"><title>${escapeHtml(text)}</title><line x1="${round(x)}" x2="${round(x)}" y1="${TITLE}" y2="${bottom}"/><text x="${round(x + 3)}" y="${TITLE + 9}">${number}</text></g>`
}

function axis(from: number, to: number, x: (at: number) => number, height: number): string {
  const seconds = (to - from) / 1000
  const step = TICKS_SECONDS.find((each) => seconds / each <= 12) ?? 120
  const ticks: string[] = []
  for (let second = 0; second <= seconds; second += step) {
    ticks.push(
      `<text class="tick" x="${round(x(from + second * 1000))}" y="${height - 4}" text-anchor="middle">${second} s</text>`,
    )
  }
  return ticks.join('')
}

const label = (y: number, text: string): string =>
  `<text class="tick" x="${LEFT - 6}" y="${round(y + 4)}" text-anchor="end">${text}</text>`
const round = (value: number): string => value.toFixed(1)

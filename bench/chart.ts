/** The picture of results: for each situation a bar for each rival, as long as its median, with its spread as a line. Plain SVG. */
import type { Series } from './measures/measure.js'
import { number } from './report.js'
import { spreadOf } from './statistics.js'

export interface Panel {
  readonly title: string
  readonly series: readonly Series[]
}

const WIDTH = 820
const LEFT = 150
const RIGHT = 190
const BAR = 16
const ROW = 24
const TITLE = 34

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2430 }
  .title { font-weight: 600 }
  .bar { fill: #9aa5b8 } .warren { fill: #b4532a }
  .spread { stroke: #1f2430; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) { text { fill: #e6e8ee } .bar { fill: #69748a } .warren { fill: #e07a4b } .spread { stroke: #e6e8ee } }
`

export function chart(panels: readonly Panel[]): string {
  let y = 0
  const parts = panels.flatMap(({ title, series }) => {
    const top = Math.max(...series.flatMap(({ values }) => values))
    const x = (value: number) => LEFT + (value / top) * (WIDTH - LEFT - RIGHT)
    y += TITLE
    const heading = `<text class="title" x="0" y="${y - 12}">${escaped(title)}</text>`
    const rows = series.map((each) => {
      const row = bar(each, x, y)
      y += ROW
      return row
    })
    return [heading, ...rows]
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" role="img">`,
    `<title>${escaped(panels.map(({ title }) => title).join('; '))}</title>`,
    `<style>${STYLE}</style>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

function bar({ rival, unit, values }: Series, x: (value: number) => number, y: number): string {
  const { median, min, max } = spreadOf(values)
  const middle = y + BAR / 2
  const at = (value: number) => x(value).toFixed(1)
  return [
    `<text x="${LEFT - 8}" y="${middle + 4}" text-anchor="end">${escaped(rival)}</text>`,
    `<rect class="bar ${rival === 'warren' ? 'warren' : ''}" x="${LEFT}" y="${y}" width="${(x(median) - LEFT).toFixed(1)}" height="${BAR}"/>`,
    `<line class="spread" x1="${at(min)}" x2="${at(max)}" y1="${middle}" y2="${middle}"/>`,
    `<text x="${(Math.max(x(max), x(median)) + 8).toFixed(1)}" y="${middle + 4}">${number(median)} ${escaped(unit)}</text>`,
  ].join('')
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

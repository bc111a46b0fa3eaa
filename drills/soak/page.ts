/** The page of a soak: a chart for each series, with the two quarters that are compared. Needs nothing beside itself. */
import { escapeHtml as e } from '../html.js'
import { machineText } from '../report.js'
import { STYLE } from '../reportStyle.js'
import { QUARTERS } from './plan.js'
import type { SoakOutcome } from './run.js'
import { type Comparison, SERIES, type SeriesName, valueText } from './series.js'

const WIDTH = 900
const LEFT = 70
const RIGHT = 12
const HEIGHT = 150
const TOP = 10
const BOTTOM = 22

export function soakPage(outcome: SoakOutcome): string {
  const { verdict, reasons, minutes, ratePerSecond, startedAt, rabbitmqVersion, tasks, comparisons } = outcome
  const title = `Warren soak: ${minutes} minutes, ${verdict}`
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${e(title)}</title>
<style>${STYLE}</style>
<main>
<h1>${e(title)} <span class="badge ${verdict}">${verdict}</span></h1>
<p>Steady work, ${ratePerSecond} tasks a second on two queues (plain, delayed, retried and cancelled ones), on three RabbitMQ nodes, four workers and a result store; in each quarter a worker, a node, HAProxy and the store are restarted. Nothing may be more than 5 % higher in the last quarter than in the second.</p>
${reasons.length === 0 ? '' : `<ul class="reasons">${reasons.map((reason) => `<li>${e(reason)}</li>`).join('')}</ul>`}
<dl>${[
    ['tasks sent', tasks.sent],
    ['ended', tasks.ended],
    ['failed', tasks.failed],
  ]
    .map(([name, count]) => `<div><dt>${name}</dt><dd>${count?.toLocaleString('en')}</dd></div>`)
    .join('')}</dl>
${table(comparisons)}
${comparisons.map(({ name }) => chart(outcome, name)).join('\n')}
<section><h2>How this was measured</h2>
<p>${e(machineText(startedAt, rabbitmqVersion))}</p>
<p>All parts run on one machine. Results expire within half a quarter, so that the store reaches its steady size in the first one. While a process is being restarted, sums that it belongs to are not sampled.</p>
</section>
</main>
</html>
`
}

function table(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map(({ name, second, last, change, grew }) => {
    const cells = [
      `<a href="#${name}">${e(SERIES[name].title)}</a>`,
      `<span class="badge ${grew ? 'failed' : 'passed'}">${grew ? 'grew' : 'flat'}</span>`,
      e(valueText(name, second)),
      e(valueText(name, last)),
      Number.isFinite(change) ? `${(change * 100).toFixed(1)} %` : '–',
    ]
    return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
  })
  return `<div class="wide"><table><thead><tr><th>What</th><th>Verdict</th><th>Second quarter</th><th>Last quarter</th><th>Change</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

function chart({ samples, minutes, restarts }: SoakOutcome, name: SeriesName): string {
  const points = samples.flatMap(({ atMs, values }) => {
    const value = values[name]
    return value === undefined ? [] : [{ atMs, value }]
  })
  const durationMs = minutes * 60_000
  const top = Math.max(1, ...points.map(({ value }) => value)) * 1.15
  const x = (atMs: number) => LEFT + (Math.min(atMs, durationMs) / durationMs) * (WIDTH - LEFT - RIGHT)
  const y = (value: number) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM)
  const band = (quarter: number) => {
    const left = x((durationMs / QUARTERS) * quarter)
    return `<rect class="band" x="${left.toFixed(1)}" y="${TOP}" width="${(x(durationMs / QUARTERS) - LEFT).toFixed(1)}" height="${HEIGHT - TOP - BOTTOM}"/>`
  }
  const label = (value: number) =>
    `<text class="tick" x="${LEFT - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${e(valueText(name, value))}</text>`
  const time = [0, 1, 2, 3, 4].map(
    (quarter) =>
      `<text class="tick" x="${x((durationMs / QUARTERS) * quarter).toFixed(1)}" y="${HEIGHT - 4}" text-anchor="middle">${((minutes / QUARTERS) * quarter).toFixed(minutes < 20 ? 1 : 0)} min</text>`,
  )
  const marks = restarts.map(
    ({ atMs, text }) =>
      `<g class="mark"><title>${e(text)}</title><line x1="${x(atMs).toFixed(1)}" x2="${x(atMs).toFixed(1)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/></g>`,
  )
  const highest = points.reduce((high, { value }) => Math.max(high, value), 0)
  return `<section id="${name}"><h2>${e(SERIES[name].title)}</h2><figure><div class="legend"><span class="key band"></span>the quarters that are compared; each thin line is a restart</div><div class="wide"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${e(SERIES[name].title)} over time">${band(1)}${band(QUARTERS - 1)}<line class="base" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM}"/>${marks.join('')}${label(0)}${label(highest)}<polyline class="user" points="${points.map(({ atMs, value }) => `${x(atMs).toFixed(1)},${y(value).toFixed(1)}`).join(' ')}"/>${time.join('')}</svg></div></figure></section>`
}

/** The report: one HTML page that needs nothing beside itself, for people who were not there. Every text is escaped. */
import { availableParallelism, cpus, totalmem } from 'node:os'
import { chartSvg } from './chart.js'
import type { Sabotage } from './drill.js'
import { escapeHtml as e } from './html.js'
import type { LedgerCounts } from './ledger.js'
import { STYLE } from './reportStyle.js'
import type { DrillOutcome } from './run.js'
import type { Mark } from './timeline.js'
import { seconds, type Verdict } from './verdict.js'

export interface ReportAbout {
  readonly startedAt: number
  readonly sabotage: Sabotage | undefined
  readonly rabbitmqVersion: string | undefined
}

export function reportPage(outcomes: readonly DrillOutcome[], about: ReportAbout): string {
  const failed = outcomes.filter(({ verdict }) => verdict === 'failed').length
  const title = failed > 0 ? `${failed} of ${outcomes.length} drills failed` : `${passed(outcomes)} drills passed`
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Warren drills: ${e(title)}</title>
<style>${STYLE}</style>
<main>
<h1>Warren drills: ${e(title)}</h1>
<p>A drill keeps a steady load on a cluster of three RabbitMQ nodes, breaks something, repairs it, and then accounts for every message by its id. A message that RabbitMQ confirmed must have its result in the store or be in a dead-letter queue; one that is in neither is lost, and the drill has failed.</p>
${sabotageNote(about.sabotage)}
${overview(outcomes)}
${outcomes.map(section).join('\n')}
<section><h2>How this was measured</h2>
<p>${e(machineText(about.startedAt, about.rabbitmqVersion))}</p>
<p>What it does not show: all parts run on one machine and share its disk and its memory, so neither a loss of power nor a slow network was tried. Rates are far below what the cluster can do: a drill looks for losses, not for speed.</p>
</section>
</main>
</html>
`
}

const passed = (outcomes: readonly DrillOutcome[]): number =>
  outcomes.filter(({ verdict }) => verdict === 'passed').length

const sabotageNote = (sabotage: Sabotage | undefined): string =>
  sabotage === undefined
    ? ''
    : `<p class="note"><strong>Broken on purpose (${e(sabotage)}).</strong> This run shows that drills can fail. It says nothing about Warren as it is.</p>`

/** When, with which versions and on which machine something was measured. */
export function machineText(startedAt: number, rabbitmqVersion: string | undefined): string {
  const memory = `${(totalmem() / 2 ** 30).toFixed(0)} GiB of memory`
  const broker = rabbitmqVersion === undefined ? 'RabbitMQ' : `RabbitMQ ${rabbitmqVersion}`
  return `${new Date(startedAt).toISOString()}, ${broker}, Node.js ${process.version}, ${process.platform} with ${availableParallelism()} processors (${cpus()[0]?.model.trim() || 'unknown'}) and ${memory}.`
}

// ------------------------------------------------------------ overview

function overview(outcomes: readonly DrillOutcome[]): string {
  const rows = outcomes.map(({ drill, verdict, counts, pauses, recoveryMs, seconds: took }, index) => {
    const cells = [
      `<a href="#d${index}">${e(drill.name)}</a>`,
      badge(verdict),
      ...[counts?.confirmed, counts?.stored, counts?.deadLettered, counts?.lost, counts?.duplicated].map(number),
      ...[pauses && Math.max(pauses.confirmed.user, pauses.confirmed.payment), recoveryMs].map(time),
      time(took * 1000),
    ]
    return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
  })
  const head = [
    'Drill',
    'Verdict',
    'Confirmed',
    'Stored',
    'Dead-lettered',
    'Lost',
    'Run twice',
    'Longest pause',
    'Normal after',
    'Took',
  ]
  return `<div class="wide"><table><thead><tr>${head.map((each) => `<th>${each}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

const badge = (verdict: Verdict): string => `<span class="badge ${verdict}">${verdict}</span>`
const number = (value: number | undefined): string => (value === undefined ? '–' : value.toLocaleString('en'))
const time = (ms: number | undefined): string => (ms === undefined ? '–' : e(seconds(ms)))

// ------------------------------------------------------------ one drill

function section(outcome: DrillOutcome, index: number): string {
  const { drill, verdict, reasons, remarks, plan, counts, chart, marks, startedAt } = outcome
  const numbered = marks.filter(({ at, kind }) => kind !== 'phase' && (chart === undefined || at >= chart.from))
  return `<section id="d${index}">
<h2>${e(drill.name)} ${badge(verdict)}</h2>
<p>${e(drill.does)} <span class="quiet">What must hold: ${e(drill.holds)}</span></p>
${reasons.length === 0 ? '' : `<ul class="reasons">${reasons.map((reason) => `<li>${e(reason)}</li>`).join('')}</ul>`}
${counts === undefined ? '' : ledger(outcome, counts)}
${remarks.map((remark) => `<p>${e(remark)}</p>`).join('')}
${
  chart === undefined
    ? ''
    : `<figure><div class="legend"><span class="key user"></span>user queue <span class="key payment"></span>payment queue <span class="key band"></span>from fault to repair <span class="key rate"></span>sent: ${plan.ratePerQueue} a second on each queue</div><div class="wide">${chartSvg({ chart, marks: numbered, ratePerQueue: plan.ratePerQueue })}</div></figure>`
}
${events(numbered, chart?.from ?? startedAt)}
</section>`
}

function ledger({ pauses, recoveryMs }: DrillOutcome, counts: LedgerCounts): string {
  const refused = Object.entries(counts.refused).map(([code, count]) => `${count} ${code}`)
  const cells: [string, string][] = [
    ['sent', number(counts.sent)],
    ['confirmed', number(counts.confirmed)],
    ...(refused.length > 0 ? [['refused, and the sender told so', refused.join(', ')] as [string, string]] : []),
    ['run', number(counts.run)],
    ['settled', number(counts.settled)],
    ['stored', number(counts.stored)],
    ['dead-lettered', number(counts.deadLettered)],
    ['lost', number(counts.lost)],
    ['run twice, cut off before the result was stored', number(counts.cutOff)],
    ['run twice, although the result was stored', number(counts.afterStored)],
    ['longest pause in confirms (user, payment)', pair(pauses?.confirmed)],
    ['longest pause in finished tasks (user, payment)', pair(pauses?.finished)],
    ['back to normal after', time(recoveryMs)],
  ]
  return `<dl>${cells.map(([name, value]) => `<div><dt>${e(name)}</dt><dd>${value}</dd></div>`).join('')}</dl>`
}

const pair = (both: { user: number; payment: number } | undefined): string =>
  both === undefined ? '–' : `${time(both.user)}, ${time(both.payment)}`

function events(marks: readonly Mark[], from: number): string {
  const items = marks.map(
    ({ at, kind, text }) =>
      `<li class="${kind}"><span class="at">${((at - from) / 1000).toFixed(1)} s</span> ${e(text)}</li>`,
  )
  return items.length === 0 ? '' : `<ol class="events">${items.join('')}</ol>`
}

/** Formats the report of `warren doctor` as text or as JSON lines. Pure. */
import { type Finding, isHealthy, type Report, SEVERITIES, type Severity, type Unknown } from '../doctor/finding.js'
import { printable } from './printable.js'

const HEADS: Readonly<Record<Severity, string>> = {
  loses: 'Will lose messages or results',
  hurts: 'Hurts',
  note: 'Worth knowing',
}

/** 1 if something can be lost, or if RabbitMQ could not be inspected at all. */
export const exitCode = (report: Report): 0 | 1 =>
  report.findings.some(({ severity }) => severity === 'loses') || !report.reached ? 1 : 0

export function reportText(report: Report): string {
  const groups = SEVERITIES.map((severity) => report.findings.filter((each) => each.severity === severity))
  return [
    `Inspected ${report.looked.map(printable).join(', ')}.\n`,
    ...groups.flatMap((group, index) =>
      group.length === 0 ? [] : [`\n${HEADS[SEVERITIES[index] ?? 'note']}:\n`, ...group.map(findingText)],
    ),
    ...(report.unknown.length === 0 ? [] : ['\nNot looked at:\n', ...report.unknown.map(unknownText)]),
    `\n${healthLine(report)}\n`,
  ].join('')
}

const findingText = ({ check, finding, why, fix }: Finding): string =>
  `- ${printable(finding)} [${check}]\n  ${printable(why)}\n  Fix: ${printable(fix)}\n`

const unknownText = ({ what, why, fix, checks }: Unknown): string =>
  `- ${what}: ${printable(why)}. Skipped: ${checks.join(', ')}.\n  Fix: ${printable(fix)}\n`

/** The last line: a summary in one sentence. */
export function healthLine(report: Report): string {
  const { findings, unknown, made } = report
  const count = (severity: Severity): number => findings.filter((each) => each.severity === severity).length
  const missed = unknown.filter(({ optional }) => !optional).length
  const left = new Set(unknown.filter(({ optional }) => !optional).flatMap(({ checks }) => checks)).size
  if (!report.reached) return 'RabbitMQ could not be inspected.'
  const notes = count('note') === 0 ? '' : `, and ${plural(count('note'), 'thing')} worth knowing`
  if (isHealthy(report))
    return `Healthy: ${plural(made.length, 'check')} found nothing that loses messages or hurts${notes}.`
  if (count('loses') + count('hurts') === 0) {
    return `${plural(made.length, 'check')} found nothing that loses messages or hurts${notes}; ${plural(left, 'check')} could not run, because ${plural(missed, 'part')} could not be inspected.`
  }
  const parts = [
    ...(count('loses') > 0 ? [`${plural(count('loses'), 'thing')} can lose messages or results`] : []),
    ...(count('hurts') > 0 ? [`${plural(count('hurts'), 'thing')} ${count('hurts') === 1 ? 'hurts' : 'hurt'}`] : []),
  ]
  return `Not healthy: ${parts.join(', ')}${left > 0 ? `; ${plural(left, 'check')} could not run` : ''}.`
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

/** The objects of the JSON lines, the summary last. */
export function reportLines(report: Report): object[] {
  const { findings, unknown, made, looked, at } = report
  return [
    ...findings.map((each) => ({ event: 'finding', ...each })),
    ...unknown.map((each) => ({ event: 'unknown', ...each })),
    {
      event: 'summary',
      healthy: isHealthy(report),
      ...Object.fromEntries(
        SEVERITIES.map((severity) => [severity, findings.filter((each) => each.severity === severity).length]),
      ),
      unknown: unknown.length,
      checks: made,
      looked,
      at,
    },
  ]
}

/** Whether messages that a task queue gives up reliably reach a dead-letter queue. */
import { domainOf } from 'warren'
import { check, type Found } from '../check.js'
import { listed } from '../finding.js'
import { loadDefinitions } from '../fixes.js'
import { isOverruled } from '../policy.js'
import { isAtLeastOnce, limitInForce, type Retention, retentionOf } from '../retention.js'
import { leadsOn } from '../routes.js'
import type { Setting, TopologyFacts } from '../snapshot.js'
import { type TaskQueue, warrens } from '../warrens.js'

export const deadLettering = check(
  'dead-lettering',
  'every task queue has a dead-letter exchange that exists and is bound to a queue, and loses no messages on the way',
  ['topology'],
  ({ topology, tasks, policies }, setting) => {
    const troubles = warrens(topology, tasks)
      .tasks.filter((queue) => queue.effective !== undefined && !isOverruled(queue, policies))
      .flatMap((queue) => troubleOf(queue, retentionOf(queue), topology) ?? [])
    return grouped(troubles).map((group) => foundOf(group, setting))
  },
)

export interface Trouble {
  readonly queue: TaskQueue
  readonly kind: 'none' | 'weak' | 'missing' | 'leadsNowhere'
  readonly exchange: string
  /** Whether a dead letter that cannot be forwarded stays in the queue. */
  readonly kept: boolean
  /** What else tells one trouble from another. */
  readonly detail: string
}

/** The most important problem: the others follow from it, or are only visible after it is fixed. */
export function troubleOf(
  queue: TaskQueue,
  retention: Retention,
  { exchanges, bindings, version }: Pick<TopologyFacts, 'exchanges' | 'bindings' | 'version'>,
): Trouble | undefined {
  const name = retention.deadLetterExchange
  const kept = isAtLeastOnce(queue, retention)
  if (name === undefined) {
    return { queue, kind: 'none', exchange: '', kept, detail: dropping(queue, retention, version) }
  }
  const about = { queue, exchange: name, kept }
  const exchange = exchanges.find((each) => each.name === name)
  if (exchange === undefined && name !== '') return { ...about, kind: 'missing', detail: '' }
  if (queue.type === 'quorum' && !kept) return { ...about, kind: 'weak', detail: weakness(retention) }
  if (exchange !== undefined && !leadsOn(exchange, queue.task, bindings)) {
    return { ...about, kind: 'leadsNowhere', detail: '' }
  }
  return undefined
}

function dropping(queue: TaskQueue, retention: Retention, version: string): string {
  const limit = queue.type === 'quorum' ? limitInForce(retention, version) : undefined
  const causes = [
    ...(retention.messageTtlMs === undefined ? [] : [`waits longer than its TTL of ${retention.messageTtlMs} ms`]),
    ...(limit === undefined ? [] : [`was delivered ${limit} times`]),
    ...(retention.limited ? ['exceeds its length limit'] : []),
  ]
  return causes.length > 0
    ? `RabbitMQ silently drops a message that ${causes.join(', or ')}.`
    : 'RabbitMQ silently drops messages that exceed a time to live, a length or a delivery limit; from 4.0 on every quorum queue has a delivery limit of 20.'
}

const weakness = ({ strategy, overflow }: Retention): string =>
  strategy === 'at-least-once'
    ? `asks for at-least-once and has overflow ${overflow ?? 'drop-head'} instead of reject-publish: RabbitMQ silently falls back to at most once`
    : `has no dead-letter-strategy at-least-once: RabbitMQ forwards a dead letter at most once`

function grouped(troubles: readonly Trouble[]): Trouble[][] {
  const groups = new Map<string, Trouble[]>()
  for (const each of troubles) {
    const key = JSON.stringify([each.kind, each.exchange, each.kept, each.detail, each.queue.service])
    groups.set(key, [...(groups.get(key) ?? []), each])
  }
  return [...groups.values()]
}

function foundOf(group: readonly Trouble[], setting: Setting): Found {
  const [{ kind, exchange, kept, detail, queue }] = group as [Trouble]
  const names = listed(group.map((each) => each.queue.name))
  const many = group.length > 1
  const fix = loadDefinitions(setting, queue.service)
  const stuck = kept
    ? `The queue keeps dead letters and retries; after 32 such messages it forwards nothing. Workers hold failed messages.`
    : `RabbitMQ silently drops messages that the queue gives up. Workers hold failed messages.`
  switch (kind) {
    case 'none':
      return {
        severity: 'loses',
        finding: `${names} ${many ? 'have' : 'has'} no dead-letter exchange${policyIn(queue)}.`,
        why: detail,
        fix,
      }
    case 'weak':
      return {
        severity: 'loses',
        finding: `${names} ${detail}.`,
        why: 'A dead letter is lost when the dead-letter queue cannot take it at that moment: no majority, its node down, no route.',
        fix,
      }
    case 'missing':
      return {
        severity: kept ? 'hurts' : 'loses',
        finding: `The dead-letter exchange ${exchange} of ${names} does not exist.`,
        why: stuck,
        fix:
          exchange === `${domainOf(queue.name)}.dlx`
            ? fix
            : `Declare the exchange ${exchange}, or correct the policy: ${fix}`,
      }
    case 'leadsNowhere':
      return {
        severity: kept ? 'hurts' : 'loses',
        finding: `The dead-letter exchange ${exchange} of ${names} is not bound to a queue.`,
        why: stuck,
        fix,
      }
  }
}

const policyIn = ({ policy }: TaskQueue): string =>
  policy === undefined ? '; no policy applies to it' : `; the policy in force, ${policy}, sets none`

/** Whether the levels in which delayed messages wait exist and are declared correctly. */
import { check, type Found } from '../check.js'
import { listed } from '../finding.js'
import { loadDefinitions, word } from '../fixes.js'
import { may } from '../permissions.js'
import type { Setting, TopologyFacts, UserFacts } from '../snapshot.js'
import { DELAY_PLAN, DUE, isLevel } from '../warrens.js'

export const delayLevels = check(
  'delay-levels',
  'the delay levels exist, with the exchanges and bindings that lead from one to the next',
  ['topology'],
  ({ topology, user }, setting) => [
    ...missing(topology, user, setting),
    ...broken(topology, setting),
    ...wrong(topology, setting),
  ],
)

type Named = { readonly name: string }
const has = (list: readonly Named[], name: string): boolean => list.some((each) => each.name === name)

const LEVELS = DELAY_PLAN.queues.map(({ name }) => name).filter(isLevel)

/** How many levels there are from the lowest on, by what any of their parts says. */
const highest = ({ queues, exchanges }: TopologyFacts): number =>
  LEVELS.findLastIndex((level) => [queues, exchanges].some((each) => has(each, level)))

/** Levels above those that anybody needed so far. Where the service may declare them, it does so when it needs them. */
function missing(topology: TopologyFacts, user: UserFacts | undefined, setting: Setting): Found[] {
  const absent = LEVELS.slice(highest(topology) + 1)
  const [first] = absent
  if (first === undefined) return []
  const declares = user?.permissions === undefined ? undefined : may(user.permissions, 'configure', first)
  const what =
    absent.length === LEVELS.length
      ? 'The delay levels do not exist'
      : `${absent.length} of ${LEVELS.length} delay levels do not exist: ${listed(absent)}`
  return [
    {
      severity: declares === false ? 'hurts' : 'note',
      finding: `${what}.`,
      why:
        declares === false
          ? `The user ${user?.name} may not declare them: messages with such a delay are refused, and workers hold retries.`
          : 'The first message with such a delay declares them, if its user may (configure on ^warren\\.delay\\.).',
      fix: loadDefinitions(setting),
    },
  ]
}

/** Parts that are missing below a level that is there: what comes down from above stops. */
function broken(topology: TopologyFacts, setting: Setting): Found[] {
  const top = highest(topology)
  if (top < 0) return []
  const parts = new Set(LEVELS.slice(0, top + 1))
  const within = (name: string): boolean => parts.has(name) || !isLevel(name)
  const gone = [
    ...DELAY_PLAN.exchanges
      .filter(({ name }) => within(name) && !has(topology.exchanges, name))
      .map(({ name }) => `the exchange ${name}`),
    ...DELAY_PLAN.queues
      .filter(({ name }) => within(name) && !has(topology.queues, name))
      .map(({ name }) => `the queue ${name}`),
  ]
  const bound = (
    source: string,
    destination: string,
    to: 'queue' | 'exchange',
    { arguments: wanted = {} }: { readonly arguments?: Readonly<Record<string, string>> },
  ): boolean =>
    topology.bindings.some(
      (each) =>
        each.source === source &&
        each.destination === destination &&
        each.to === to &&
        Object.entries(wanted).every(([name, value]) => each.arguments[name] === value),
    )
  // What is bound to something that is gone is gone with it.
  const there = (exchange: string, other: string, list: readonly Named[]): boolean =>
    within(exchange) && within(other) && has(topology.exchanges, exchange) && has(list, other)
  const loose = [
    ...DELAY_PLAN.bindings
      .filter(
        (each) => there(each.exchange, each.queue, topology.queues) && !bound(each.exchange, each.queue, 'queue', each),
      )
      .map((each) => `the binding of ${each.exchange} to the queue ${each.queue}`),
    ...(DELAY_PLAN.links ?? [])
      .filter((each) => there(each.from, each.to, topology.exchanges) && !bound(each.from, each.to, 'exchange', each))
      .map((each) => `the binding of ${each.from} to the exchange ${each.to}`),
  ]
  const all = [...gone, ...loose]
  if (all.length === 0) return []
  return [
    {
      severity: 'hurts',
      finding: `The delay levels have gaps: ${listed(all)} ${all.length > 1 ? 'are' : 'is'} missing.`,
      why: 'Delayed messages stop there: RabbitMQ retries the first messages of a level every three minutes, and the rest wait behind them.',
      fix: loadDefinitions(setting),
    },
  ]
}

/** What a level is declared with cannot be changed. */
function wrong(topology: TopologyFacts, { vhost }: Setting): Found[] {
  const queues = DELAY_PLAN.queues.flatMap((plan): Found[] => {
    const queue = topology.queues.find(({ name }) => name === plan.name)
    if (queue === undefined) return []
    const differing = Object.entries(plan.arguments ?? {}).filter(([key, value]) => queue.arguments[key] !== value)
    const asQuorum = queue.type === plan.type
    if (differing.length === 0 && asQuorum) return []
    const weak = differing.some(
      ([key]) => key === 'x-dead-letter-strategy' || key === 'x-overflow' || key === 'x-dead-letter-exchange',
    )
    return [
      {
        severity: weak ? 'loses' : 'hurts',
        finding: `The delay level ${plan.name} is declared differently than by Warren: ${asQuorum ? differing.map(([key, value]) => `${key} is ${JSON.stringify(queue.arguments[key]) ?? 'not set'} instead of ${value}`).join(', ') : `it is a ${queue.type} queue`}.`,
        why: weak
          ? 'A message that is due may be lost on its way to the next level.'
          : 'Messages wait too long or too short there, or do not move while one node is down.',
        fix: `Once it is empty: rabbitmqctl delete_queue -p ${word(vhost)} ${plan.name}, and load the definitions.`,
      },
    ]
  })
  const due = topology.exchanges.find(({ name }) => name === DUE)
  const wanted = DELAY_PLAN.exchanges.find(({ name }) => name === DUE)?.arguments?.['alternate-exchange']
  if (due === undefined || due.arguments['alternate-exchange'] === wanted) return queues
  return [
    ...queues,
    {
      severity: 'hurts',
      finding: `The exchange ${DUE} has no alternate exchange ${wanted}.`,
      why: 'A message that no queue takes when it is due is retried forever; 32 of them block level 0 for all others.',
      fix: `Delete the exchange ${DUE}, load the definitions, and restart the workers, which bind their queues to it.`,
    },
  ]
}

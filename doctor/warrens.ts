/**
 * Which of a virtual host's queues and exchanges are Warren's, by their names and bindings. Queues of others are nobody's
 * business here. Pure.
 */
import {
  commandsExchange,
  deadLetterExchange,
  deadLetterQueue,
  domainOf,
  type OperatorPlan,
  planDelays,
  taskQueue,
} from 'warren'
import type { BindingFacts, QueueFacts, TasksFacts, TopologyFacts } from './snapshot.js'

/** A queue in which a service receives a task. */
export interface TaskQueue extends QueueFacts {
  readonly domain: string
  /** Undefined where neither a binding nor the user said which task it is for. */
  readonly task: string | undefined
  readonly service: string | undefined
}

export interface Domain {
  readonly name: string
  readonly queues: readonly TaskQueue[]
}

const DELAYS: OperatorPlan = planDelays()
const COMMANDS = commandsExchange('')
const DEAD_LETTERS = deadLetterQueue('')

/** The exchange to which every task queue is bound for what is due, and the queue for what none of them takes. */
export const DUE = DELAYS.exchanges.find((each) => each.arguments?.['alternate-exchange'])?.name ?? ''
export const UNROUTABLE = DELAYS.queues.find((each) => each.arguments?.['x-message-ttl'] === undefined)?.name ?? ''
export const DELAY_PLAN = DELAYS
export const isLevel = (name: string): boolean => /^warren\.delay\.level\.\d+$/.test(name)

/** Queues of earlier versions, which drain by themselves. */
const isRetryQueue = (name: string): boolean => /\.retry\.\d+$/.test(name)
const isWarrensOwn = (name: string): boolean => name.startsWith('warren.')
export const isDeadLetterQueue = (name: string): boolean => name.endsWith(DEAD_LETTERS)

/** The task and service of a queue, by the key that binds it to its domain's commands, or to what is due. */
function bound(queue: QueueFacts, bindings: readonly BindingFacts[]): { task: string; service: string } | undefined {
  const exchange = commandsExchange(domainOf(queue.name))
  const keys = bindings
    .filter(({ source, to, destination }) => {
      return (source === exchange || source === DUE) && to === 'queue' && destination === queue.name
    })
    .map(({ key }) => key)
  const task = keys.filter((key) => queue.name.startsWith(`${key}.`)).sort((a, b) => b.length - a.length)[0]
  return task === undefined ? undefined : { task, service: queue.name.slice(task.length + 1) }
}

/** Every task queue, those first that a module names. */
export function taskQueues({ queues, exchanges, bindings }: TopologyFacts, given?: TasksFacts): TaskQueue[] {
  const domains = new Set(exchanges.map(({ name }) => name).filter((name) => name.endsWith(COMMANDS)))
  const due = new Set(
    bindings.filter(({ source, to }) => source === DUE && to === 'queue').map((each) => each.destination),
  )
  const named = new Map(
    (given?.service === undefined ? [] : given.tasks).map(({ name }) => {
      const service = given?.service ?? ''
      return [taskQueue(name, service), { task: name, service }] as const
    }),
  )
  return queues.flatMap((queue): TaskQueue[] => {
    const { name } = queue
    const domain = domainOf(name)
    if (!name.includes('.') || isWarrensOwn(name) || isDeadLetterQueue(name) || isRetryQueue(name)) return []
    const known = named.get(name) ?? bound(queue, bindings)
    if (known === undefined && !due.has(name) && !domains.has(commandsExchange(domain))) return []
    return [{ ...queue, domain, task: known?.task, service: known?.service }]
  })
}

/** The domains that have a task queue. */
export function domainsOf(queues: readonly TaskQueue[]): Domain[] {
  const names = [...new Set(queues.map(({ domain }) => domain))]
  return names.map((name) => ({ name, queues: queues.filter(({ domain }) => domain === name) }))
}

/** Queues to which a dead-letter exchange leads, and those that are called so. */
export function deadLetterQueues({ queues, bindings }: TopologyFacts, domains: readonly Domain[]): QueueFacts[] {
  const exchanges = new Set(domains.map(({ name }) => deadLetterExchange(name)))
  const names = new Set([
    ...domains.map(({ name }) => deadLetterQueue(name)),
    ...bindings.filter(({ source, to }) => to === 'queue' && exchanges.has(source)).map((each) => each.destination),
  ])
  return queues.filter(({ name }) => names.has(name))
}

/** Everything of Warren's in a virtual host. */
export function warrens(topology: TopologyFacts, given?: TasksFacts) {
  const tasks = taskQueues(topology, given)
  const domains = domainsOf(tasks)
  const dead = deadLetterQueues(topology, domains)
  const own = topology.queues.filter(({ name }) => isWarrensOwn(name))
  return { tasks, domains, dead, own, all: [...tasks, ...dead, ...own] }
}

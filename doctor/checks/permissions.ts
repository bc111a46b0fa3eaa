/** Whether the user of `--broker` may do what its service needs, and not much more. */
import { commandsExchange, deadLetterExchange } from 'warren'
import { check, type Found } from '../check.js'
import { listed } from '../finding.js'
import { escaped, setPermissions } from '../fixes.js'
import { may, type Permissions, type Right } from '../permissions.js'
import type { Setting, TasksFacts, TopologyFacts, UserFacts } from '../snapshot.js'
import { DUE, isLevel, type TaskQueue, warrens } from '../warrens.js'

/** An unused name: a user who may use it may use every name. */
const MADE_UP = 'warren-doctor-no-such-name'

export const permissions = check(
  'permissions',
  "the service user may do what its service needs, and leave others' queues alone",
  ['topology', 'user'],
  ({ topology, user, tasks }, setting) => {
    if (user.permissions === undefined) {
      return [
        {
          severity: 'hurts',
          finding: `The user ${user.name} has no permissions in the virtual host ${setting.vhost}.`,
          why: 'RabbitMQ refuses its connections there.',
          fix: setPermissions(setting, user.name, { configure: '...', write: '...', read: '...' }),
        },
      ]
    }
    const own = ownQueues(user.permissions, warrens(topology, tasks).tasks, tasks)
    return [
      ...(own.length > 0 ? tooNarrow(user, user.permissions, own, topology, setting) : []),
      ...(own.length === 0 ? producer(user, user.permissions, topology, tasks, setting) : []),
      ...tooWide(user, user.permissions, own, topology, tasks, setting),
    ]
  },
)

/** The queues of the service that is named, else of those services of which the user may use a queue in any way. */
function ownQueues(
  permissions: Permissions,
  queues: readonly TaskQueue[],
  tasks: TasksFacts | undefined,
): readonly TaskQueue[] {
  const known = queues.filter(({ service }) => service !== undefined)
  if (tasks?.service !== undefined) return known.filter(({ service }) => service === tasks.service)
  const services = new Set(
    known
      .filter(({ name }) => may(permissions, 'configure', name) === true || may(permissions, 'read', name) === true)
      .map(({ service }) => service),
  )
  return known.filter(({ service }) => services.has(service))
}

interface Need {
  readonly right: Right
  readonly name: string
}

/** The operations of a service with these queues, as in docs/guide/topology.md. */
function needsOf(queues: readonly TaskQueue[], { exchanges }: TopologyFacts): Need[] {
  const domains = [...new Set(queues.map(({ domain }) => domain))]
  const commands = domains.map(commandsExchange)
  const names = queues.map(({ name }) => name)
  const levels = exchanges.map(({ name }) => name).filter(isLevel)
  const due = exchanges.some(({ name }) => name === DUE) ? [DUE] : []
  const all = (right: Right, list: readonly string[]): Need[] => list.map((name) => ({ right, name }))
  return [
    ...all('configure', [...commands, ...names]),
    ...all('write', [...commands, ...domains.map(deadLetterExchange), ...names, ...levels, 'amq.default']),
    ...all('read', [...commands, ...names, ...due]),
  ]
}

const alternatives = (list: readonly string[]): string => (list.length === 1 ? (list[0] ?? '') : `(${list.join('|')})`)

/** The permissions that a service with these queues needs, as in docs/guide/topology.md. */
function fitting(queues: readonly TaskQueue[]): Permissions {
  const domains = alternatives([...new Set(queues.map(({ domain }) => escaped(domain)))])
  const services = alternatives([...new Set(queues.map(({ service = '' }) => escaped(service)))])
  return {
    configure: `^${domains}\\.commands$|\\.${services}$`,
    write: `^${domains}\\.(commands|dlx)$|\\.${services}$|^warren\\.delay\\.level\\.[0-9]{2}$|^amq\\.default$`,
    read: `^${domains}\\.commands$|\\.${services}$|^warren\\.delay\\.due$`,
  }
}

function tooNarrow(
  user: UserFacts,
  granted: Permissions,
  own: readonly TaskQueue[],
  topology: TopologyFacts,
  setting: Setting,
): Found[] {
  const refused = needsOf(own, topology).filter(({ right, name }) => may(granted, right, name) === false)
  if (refused.length === 0) return []
  const rights = (['configure', 'write', 'read'] as const).flatMap((right) => {
    const names = refused.filter((each) => each.right === right).map(({ name }) => name)
    return names.length === 0 ? [] : [`${right} ${listed(names)}`]
  })
  return [
    {
      severity: 'hurts',
      finding: `The user ${user.name} may not ${rights.join(', nor ')}.`,
      why: consequence(refused),
      fix: setPermissions(setting, user.name, fitting(own)),
    },
  ]
}

function consequence(refused: readonly Need[]): string {
  const hits = (right: Right, name: (name: string) => boolean) =>
    refused.some((each) => each.right === right && name(each.name))
  if (hits('configure', () => true)) return 'Its workers do not start: RabbitMQ refuses what they declare.'
  if (hits('read', (name) => name !== DUE))
    return 'Its workers do not consume: RabbitMQ refuses their consumers or bindings.'
  if (hits('write', (name) => name.endsWith('.dlx')))
    return 'Workers hold failed messages, because they may not dead-letter them.'
  return 'Workers hold retries and other delayed messages, because they may not publish them.'
}

function producer(
  user: UserFacts,
  granted: Permissions,
  topology: TopologyFacts,
  tasks: TasksFacts | undefined,
  setting: Setting,
): Found[] {
  const { domains } = warrens(topology, tasks)
  const commands = domains.map(({ name }) => commandsExchange(name))
  if (commands.length === 0 || commands.some((name) => may(granted, 'write', name) !== false)) return []
  return [
    {
      severity: 'hurts',
      finding: `The user ${user.name} may neither send to ${listed(commands)} nor use a queue of any service.`,
      why: 'RabbitMQ refuses everything that its workers and senders do.',
      fix: setPermissions(setting, user.name, {
        ...granted,
        write: `^${alternatives(domains.map(({ name }) => escaped(name)))}\\.commands$`,
      }),
    },
  ]
}

function tooWide(
  user: UserFacts,
  granted: Permissions,
  own: readonly TaskQueue[],
  topology: TopologyFacts,
  tasks: TasksFacts | undefined,
  setting: Setting,
): Found[] {
  const everything = (['configure', 'write', 'read'] as const).filter((right) => may(granted, right, MADE_UP) === true)
  const others = warrens(topology, tasks).tasks.filter(
    ({ service }) => service !== undefined && own.every((each) => each.service !== service),
  )
  const foreign = others.filter(
    ({ name }) => may(granted, 'configure', name) === true || may(granted, 'read', name) === true,
  )
  const excess = [
    ...(user.tags.includes('administrator') ? ['is an administrator'] : []),
    ...(everything.length > 0 ? [`may ${everything.join(', ')} every name`] : []),
    ...(everything.length === 0 && foreign.length > 0
      ? [`may use ${listed(foreign.map(({ name }) => name))} of other services`]
      : []),
  ]
  if (excess.length === 0) return []
  return [
    {
      severity: 'note',
      finding: `The user ${user.name} ${excess.join(', and ')}.`,
      why: 'A compromised or faulty worker can delete queues with all their messages, or consume the messages of others.',
      fix: user.tags.includes('administrator')
        ? 'Create separate users without tags for workers and senders: docs/guide/topology.md lists their permissions.'
        : setPermissions(
            setting,
            user.name,
            own.length > 0 ? fitting(own) : { configure: '^$', write: '...', read: '^$' },
          ),
    },
  ]
}

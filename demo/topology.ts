/** What the operator of the demo predefines: dead letters, retention and users. `config/rabbitmq/definitions.json` is made from it. */
import { definitions, joinPlans, planDelays, planOperator, type Retention, type UserPlan } from 'warren'
import { passwordFile } from './secrets.js'
import { createAccount, createInvoice, SERVICE, tasks } from './tasks.js'

/** One minute in the user queue, on purpose short enough to see messages expire; two in the payment queue. */
const retention: Readonly<Record<string, Retention>> = {
  [createAccount.name]: { ttlMs: 60_000 },
  [createInvoice.name]: { ttlMs: 120_000 },
}

/** The password of one of the demo's users: `WARREN_ADMIN_PASSWORD` and so on, else its file, else the user's own name. */
const password = (name: string, env: NodeJS.ProcessEnv): string =>
  env[`WARREN_${name.toUpperCase()}_PASSWORD`] || passwordFile(name, env) || name

/** `admin` sees all; the others may do what their part needs and nothing else. */
export function users(env: NodeJS.ProcessEnv = process.env): UserPlan[] {
  const all = { configure: '.*', write: '.*', read: '.*' }
  const commands = '^(user|payment)\\.commands$'
  const queues = `\\.${SERVICE}$`
  const delays = '^warren\\.delay\\.level\\.[0-9]{2}$'
  /** By which senders see that a queue takes what is due. */
  const marks = '^(user|payment)\\..+\\.due$'
  /** Where tokens of flows, and their members that died, are found: docs/guide/flows.md. */
  const flows = '^warren\\.flows$'
  const dead = '^warren\\.flows\\.dead$'
  /** Where Celery's tools ask a worker: docs/guide/celery.md. */
  const node = `^${SERVICE}-.+\\.celery\\.pidbox$`
  return [
    { name: 'admin', password: password('admin', env), tags: ['administrator'], permissions: all },
    // Looks after dead letters and policies: reads every queue, publishes anywhere, declares only dead-letter parts.
    {
      name: 'operator',
      password: password('operator', env),
      tags: ['policymaker', 'monitoring'],
      permissions: { configure: '^(user|payment)\\.(dlx|dlq)$', write: '.*', read: '.*' },
    },
    // Declares and consumes its own queues, and dead-letters what it cannot handle.
    {
      name: 'service',
      password: password('service', env),
      tags: [],
      permissions: {
        configure: `${commands}|${queues}|${marks}|${flows}|${dead}|${node}|^celery\\.pidbox$|^celeryev$`,
        // The default exchange, `amq.default`, leads back to a service's own queue: short delays take no level.
        write: `^(user|payment)\\.(commands|dlx)$|${queues}|${delays}|^amq\\.default$|${flows}|${dead}|${node}|^reply\\.celery\\.pidbox$|^celeryev$`,
        // Its queues are bound to what is due.
        read: `${commands}|${queues}|${marks}|^warren\\.delay\\.due$|${flows}|${dead}|^(user|payment)\\.dlx$|${node}|^celery\\.pidbox$`,
      },
    },
    // Publishes commands, at once or delayed, and starts flows; declares only their queue. RabbitMQ 4.3 says whether a mark exists to those who may read it.
    {
      name: 'client',
      password: password('client', env),
      tags: [],
      permissions: {
        configure: flows,
        write: `${commands}|${delays}|${flows}`,
        read: `${marks}|^warren\\.delay\\.due$`,
      },
    },
  ]
}

/** The content of RabbitMQ's definitions file for the demo. */
export function demoDefinitions(env: NodeJS.ProcessEnv = process.env): Record<string, unknown> {
  return definitions(joinPlans(planOperator(SERVICE, tasks, retention), planDelays()), users(env))
}

/**
 * The definitions of the demo's operator: dead letters, retention and users. `config/rabbitmq/definitions.json` is generated
 * from it.
 */
import { definitions, joinPlans, planDelays, planOperator, type Retention, type UserPlan } from 'warren'
import { passwordFile } from './secrets.js'
import { createAccount, createInvoice, SERVICE, tasks } from './tasks.js'

/** One minute in the user queue, on purpose short enough to see messages expire; two in the payment queue. */
const retention: Readonly<Record<string, Retention>> = {
  [createAccount.name]: { ttlMs: 60_000 },
  [createInvoice.name]: { ttlMs: 120_000 },
}

/**
 * The password of one of the demo's users: `WARREN_ADMIN_PASSWORD` and so on, otherwise its file, otherwise the user's name.
 */
const password = (name: string, env: NodeJS.ProcessEnv): string =>
  env[`WARREN_${name.toUpperCase()}_PASSWORD`] || passwordFile(name, env) || name

/** `admin` has all rights; the others have only the rights they need. */
export function users(env: NodeJS.ProcessEnv = process.env): UserPlan[] {
  const all = { configure: '.*', write: '.*', read: '.*' }
  const commands = '^(user|payment)\\.commands$'
  const queues = `\\.${SERVICE}$`
  const delays = '^warren\\.delay\\.level\\.[0-9]{2}$'
  /** Shows senders that a queue takes due messages. */
  const marks = '^(user|payment)\\..+\\.due$'
  /** For tokens of flows, and for their dead members: docs/guide/flows.md. */
  const flows = '^warren\\.flows$'
  const dead = '^warren\\.flows\\.dead$'
  /** For requests of Celery's tools: docs/guide/celery.md. */
  const node = `^${SERVICE}-.+\\.celery\\.pidbox$`
  return [
    { name: 'admin', password: password('admin', env), tags: ['administrator'], permissions: all },
    // Handles dead letters and policies: reads every queue, publishes anywhere, declares only dead-letter exchanges and queues.
    {
      name: 'operator',
      password: password('operator', env),
      tags: ['policymaker', 'monitoring'],
      permissions: { configure: '^(user|payment)\\.(dlx|dlq)$', write: '.*', read: '.*' },
    },
    // Declares and consumes its own queues, and dead-letters failed messages.
    {
      name: 'service',
      password: password('service', env),
      tags: [],
      permissions: {
        configure: `${commands}|${queues}|${marks}|${flows}|${dead}|${node}|^celery\\.pidbox$|^celeryev$`,
        // The default exchange, `amq.default`, routes to a service's own queue: short delays skip the levels.
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

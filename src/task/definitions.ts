/**
 * RabbitMQ's definitions file (`load_definitions`, `/api/definitions`) for a topology: users, permissions, the operator's
 * exchanges, queues and bindings, and all policies. Pure and stable: equal input returns equal bytes, so that a test can
 * compare the file in the repository with the code.
 */
import { createHash } from 'node:crypto'
import type { BindingPlan, OperatorPlan } from './topology.js'

export interface UserPlan {
  readonly name: string
  readonly password: string
  /** RabbitMQ's user tags: `administrator`, `monitoring`, `management`, or none. */
  readonly tags: readonly string[]
  /** Regular expressions over names in the virtual host, as in `rabbitmqctl set_permissions`. */
  readonly permissions: { readonly configure: string; readonly write: string; readonly read: string }
}

/**
 * RabbitMQ's salted SHA-256 password hash: base64(salt ‖ sha256(salt ‖ password)). The four salt bytes come from the user's
 * name, so that the file is the same each time; a hash in a public file is not a secret in any case.
 */
export function passwordHash(name: string, password: string): string {
  const salt = createHash('sha256').update(`warren:${name}`).digest().subarray(0, 4)
  const digest = createHash('sha256').update(salt).update(password, 'utf8').digest()
  return Buffer.concat([salt, digest]).toString('base64')
}

/** The definitions object, ready for `JSON.stringify`. `vhost` defaults to `/`. */
export function definitions(plan: OperatorPlan, users: readonly UserPlan[], vhost = '/'): Record<string, unknown> {
  const binding = (
    source: string,
    destination: string,
    type: 'queue' | 'exchange',
    { routingKey, arguments: given = {} }: Pick<BindingPlan, 'routingKey' | 'arguments'>,
  ) => ({
    ...{ source, vhost, destination, destination_type: type, routing_key: routingKey, arguments: given },
  })
  return {
    vhosts: [{ name: vhost }],
    users: users.map((user) => ({
      name: user.name,
      password_hash: passwordHash(user.name, user.password),
      hashing_algorithm: 'rabbit_password_hashing_sha256',
      tags: user.tags,
      limits: {},
    })),
    permissions: users.map((user) => ({ user: user.name, vhost, ...user.permissions })),
    exchanges: plan.exchanges.map(({ name, type, arguments: given = {} }) => ({
      name,
      vhost,
      type,
      durable: true,
      auto_delete: false,
      internal: false,
      arguments: given,
    })),
    queues: plan.queues.map(({ name, type, arguments: given = {} }) => ({
      name,
      vhost,
      durable: true,
      auto_delete: false,
      arguments: { 'x-queue-type': type, ...given },
    })),
    bindings: [
      ...plan.bindings.map((each) => binding(each.exchange, each.queue, 'queue', each)),
      ...(plan.links ?? []).map((each) => binding(each.from, each.to, 'exchange', each)),
    ],
    policies: plan.policies.map(({ name, pattern, definition }) => ({
      name,
      vhost,
      pattern,
      'apply-to': 'queues',
      priority: 0,
      definition,
    })),
  }
}

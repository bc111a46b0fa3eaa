import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { demoDefinitions } from '../../demo/topology.js'
import { passwordHash, planOperator, planService } from '../../src/index.js'

const tasks = [
  { name: 'user.account.create', queue: { type: 'classic' } },
  { name: 'payment.invoice.create', queue: { type: 'quorum' } },
] as const

describe('The topology', () => {
  it('of a service: an exchange for each domain, a queue and a binding for each task', () => {
    expect(planService('demo-service', tasks)).toEqual({
      exchanges: [
        { name: 'user.commands', type: 'topic' },
        { name: 'payment.commands', type: 'topic' },
      ],
      queues: [
        { name: 'user.account.create.demo-service', type: 'classic' },
        { name: 'payment.invoice.create.demo-service', type: 'quorum' },
      ],
      bindings: [
        { exchange: 'user.commands', queue: 'user.account.create.demo-service', routingKey: 'user.account.create' },
        {
          exchange: 'payment.commands',
          queue: 'payment.invoice.create.demo-service',
          routingKey: 'payment.invoice.create',
        },
      ],
    })
  })

  it('of the operator: dead letters that are replicated, and retention by policy for each queue alone', () => {
    const { queues, policies } = planOperator('demo-service', tasks, { 'user.account.create': { ttlMs: 60_000 } })
    expect(queues).toEqual([
      { name: 'user.dlq', type: 'quorum' },
      { name: 'payment.dlq', type: 'quorum' },
    ])
    const policyOf = (queue: string) => policies.filter(({ pattern }) => new RegExp(pattern).test(queue))
    expect(policyOf('user.account.create.demo-service').map(({ definition }) => definition)).toEqual([
      { 'dead-letter-exchange': 'user.dlx', 'message-ttl': 60_000 },
    ])
    // At-least-once dead lettering works with reject-publish only; RabbitMQ before 4.0 has no delivery limit of its own.
    expect(policyOf('payment.invoice.create.demo-service').map(({ definition }) => definition)).toEqual([
      {
        'dead-letter-exchange': 'payment.dlx',
        'dead-letter-strategy': 'at-least-once',
        overflow: 'reject-publish',
        'delivery-limit': 20,
      },
    ])
    expect(policyOf('payment_invoice.create.demo-service')).toEqual([])
  })
})

describe('The definitions file', () => {
  it('in config/rabbitmq is what the code says: npx warren definitions --write', () => {
    const file = readFileSync(new URL('../../config/rabbitmq/definitions.json', import.meta.url), 'utf8')
    expect(JSON.parse(file)).toEqual(JSON.parse(JSON.stringify(demoDefinitions({}))))
  })

  it('gives each user what its part needs: the client publishes commands, starts flows and does nothing else', () => {
    const { permissions } = demoDefinitions({}) as {
      permissions: { user: string; configure: string; write: string; read: string }[]
    }
    const of = (user: string) => permissions.find((each) => each.user === user)
    expect(of('client')).toMatchObject({
      ...{ configure: '^warren\\.flows$', read: '^(user|payment)\\..+\\.due$|^warren\\.delay\\.due$' },
    })
    const writes = new RegExp(of('client')?.write ?? '')
    expect(['user.commands', 'payment.commands'].every((name) => writes.test(name))).toBe(true)
    expect(['user.dlx', 'amq.default', 'other.commands'].some((name) => writes.test(name))).toBe(false)
  })

  it("hashes passwords RabbitMQ's way: base64 of four bytes of salt and a SHA-256", () => {
    const hash = Buffer.from(passwordHash('admin', 'admin'), 'base64')
    expect(hash).toHaveLength(36)
    expect(passwordHash('admin', 'admin')).toBe(passwordHash('admin', 'admin'))
    expect(passwordHash('admin', 'other')).not.toBe(passwordHash('admin', 'admin'))
  })
})

/** The promise: what is refused before a connection is open is told apart by its code, and said so that one can act. */
import { inspect } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { connect, UnroutableError } from '../../src/index.js'
import { type RefusingBroker, refusingBroker } from '../support/refusingBroker.js'

const brokers: RefusingBroker[] = []
afterEach(() => {
  for (const broker of brokers.splice(0)) broker.close()
})

async function refusing(...args: Parameters<typeof refusingBroker>): Promise<RefusingBroker> {
  const broker = await refusingBroker(...args)
  brokers.push(broker)
  return broker
}

const refusal = (broker: string | string[], connectTimeoutMs = 1_500): Promise<Error> =>
  connect({ broker, connectTimeoutMs, logger: false }).then(
    () => new Error('connected'),
    (error: Error) => error,
  )

const VHOST_DOWN = "INTERNAL_ERROR - access to vhost 'shop' refused for user 'user': vhost 'shop' is down"

describe('at once, since every node would say the same', () => {
  it.each([
    [530, 'NOT_ALLOWED - vhost shop not found', 'open', /shop not found\. There is no such virtual host/],
    [530, "NOT_ALLOWED - access to vhost 'shop' refused for user 'user'", 'open', /permissions in this virtual host/],
    [
      403,
      'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.',
      'start-ok',
      /PLAIN\. Check the user and its password/,
    ],
  ] as const)('%d %s', async (code, text, at, message) => {
    const broker = await refusing(code, text, { at })
    const error = await refusal(broker.url)
    expect(error).toMatchObject({ code: 'ACCESS_REFUSED', retryable: false })
    expect(error.message).toMatch(message)
    expect(error.message).not.toMatch(/ConnectionOpenOk|s3cret/)
    // Once, and once more to hear why.
    expect(broker.accepted()).toBeLessThanOrEqual(2)
  })
})

describe('until the time is over, and at the next address', () => {
  it.each([
    [541, VHOST_DOWN],
    [530, "NOT_ALLOWED - access to vhost 'shop' refused for user 'user': connection limit (1) is reached"],
    [530, 'NOT_ALLOWED - node connection limit (10) is reached'],
    [320, 'CONNECTION_FORCED - Node was put into maintenance mode'],
    [504, 'CHANNEL_ERROR - anything'],
  ])('%d %s', async (code, text) => {
    const [first, second] = [await refusing(code, text), await refusing(code, text)]
    const error = await refusal([first.url, second.url])
    expect(error).toMatchObject({ code: 'BROKER_UNREACHABLE', retryable: true })
    for (const { url, accepted } of [first, second]) {
      expect(error.message).toContain(`127.0.0.1:${new URL(url).port}/shop (${code} ${text})`)
      expect(accepted()).toBeGreaterThan(0)
    }
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('s3cret')
  })

  it('a broker that says nothing', async () => {
    const silent = await refusing(0, '', { at: 'nowhere' })
    expect((await refusal(silent.url)).message).toMatch(/no answer within \d+ ms/)
  })

  it('says nothing of a local cluster that the application does not have', async () => {
    expect((await refusal('amqp://u:s3cret@127.0.0.1:1')).message).not.toMatch(/npm start|s3cret/)
  })
})

describe('A message that no queue took', () => {
  it('may be one whose queue was never declared, or whose node is down: both are named, with what to do', () => {
    const { message } = new UnroutableError('payment.commands', 'payment.invoice.send', 'NO_ROUTE')
    expect(message).toBe(
      "No queue takes payment.invoice.send from exchange payment.commands: NO_ROUTE. The message is in no queue. RabbitMQ does not report the cause. Either the queue was never declared: start a worker that handles the task, and check the task's name. Or the queue exists, and its node is down or RabbitMQ considers it down: the list of queues then shows it; send again when it is back.",
    )
  })
  it('or whose exchange is missing: no node is at fault then', () => {
    const { message } = new UnroutableError('payment.commands', 'payment.invoice.send', 'its exchange is missing')
    expect(message).toContain('start one that handles the task, and check the virtual host in the address')
    expect(message).not.toContain('node is down')
  })
})

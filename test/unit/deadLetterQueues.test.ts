/** Which queues `warren dlq list` looks in, as RabbitMQ's management API tells. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { deadLetterQueues } from '../../cli/deadLetterQueues.js'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
})

/** Answers by path and counts nothing else; `seen` holds what was asked, with whose password. */
async function management(answers: Record<string, unknown>, status = 200): Promise<{ url: string; seen: string[] }> {
  const seen: string[] = []
  const server = createServer(({ url = '', headers }, response) => {
    const path = url.split('?', 1)[0] ?? ''
    seen.push(`${path} ${Buffer.from(headers.authorization?.split(' ')[1] ?? '', 'base64')}`)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answers[path] ?? {}))
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://user:p%40ss@127.0.0.1:${(server.address() as AddressInfo).port}/rabbitmq/`, seen }
}

const whole = {
  '/rabbitmq/api/queues/my%2Fshop': [
    { name: 'shop.dlq', effective_policy_definition: { 'delivery-limit': 1_000_000 } },
    { name: 'graveyard', effective_policy_definition: [] },
    { name: 'image.dlq' },
    { name: 'shop.order.place.web', effective_policy_definition: { 'delivery-limit': 20 } },
    { name: 'warren.delay.unroutable', arguments: { 'x-delivery-limit': 1_000_000 } },
    { name: 'warren.delay.level.05' },
    null,
  ],
  '/rabbitmq/api/bindings/my%2Fshop': [
    { source: '', destination: 'shop.order.place.web' },
    { source: 'shop.dlx', destination: 'graveyard' },
    { source: 'shop.commands', destination: 'shop.order.place.web' },
  ],
}

it('are all that are named as Warren names them or bound to a dead-letter exchange, with their policies', async () => {
  const { url, seen } = await management(whole)
  expect(await deadLetterQueues([url], 'my/shop')).toEqual([
    { name: 'graveyard', deliveryLimit: undefined },
    { name: 'image.dlq', deliveryLimit: undefined },
    { name: 'shop.dlq', deliveryLimit: 1_000_000 },
    { name: 'warren.delay.unroutable', deliveryLimit: 1_000_000 },
  ])
  expect(seen.every((each) => each.endsWith(' user:p@ss'))).toBe(true)
})

it('are the one that is named, whatever its name', async () => {
  const { url } = await management(whole)
  expect(await deadLetterQueues([url], 'my/shop', 'shop.order.place.web')).toEqual([
    { name: 'shop.order.place.web', deliveryLimit: 20 },
  ])
  expect(await deadLetterQueues([url], 'my/shop', 'absent')).toEqual([])
})

it('are asked of the next address when one does not answer, and the last problem is told without a password', async () => {
  const refusing = await management({}, 401)
  const odd = await management({})
  const fine = await management(whole)
  expect(await deadLetterQueues([refusing.url, odd.url, fine.url], 'my/shop')).toHaveLength(4)
  await expect(deadLetterQueues([odd.url, refusing.url], 'my/shop')).rejects.toThrow(/^127\.0\.0\.1:\d+ answered 401$/)
  await expect(deadLetterQueues([], '/')).rejects.toThrow('no address of the management API')
})

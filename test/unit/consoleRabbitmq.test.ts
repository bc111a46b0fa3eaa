/** A management API that hangs, lies, sends on or sends too much is waited for with a limit, and its password stays here. */
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { RabbitmqApi } from '../../console/rabbitmq.js'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

/** An address with a password, behind which `answer` answers. */
async function address(answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://user:s3cret@127.0.0.1:${(server.address() as AddressInfo).port}`
}

const failure = async (answer: RequestListener): Promise<string> => {
  const error: Error = await new RabbitmqApi([await address(answer)]).nodes().then(
    () => new Error('it took the answer'),
    (problem) => problem,
  )
  expect(String(error.stack)).not.toContain('s3cret')
  return error.message
}

it.each<[string, RequestListener, string]>([
  ['does not answer', () => undefined, 'timeout'],
  ['begins to answer and stops', (_, response) => response.writeHead(200).write('[{"name":'), 'timeout'],
  ['closes the connection', (_, response) => response.destroy(), 'other side closed'],
  ['answers a page', (_, response) => response.end('<html>s3cret'), 'not JSON: is this the management API?'],
  ['answers something else', (_, response) => response.end('{"nodes":[]}'), 'not a list: is this the management API?'],
  ['refuses the user', (_, response) => response.writeHead(401).end(), '401: check user and password'],
  ['fails', (_, response) => response.writeHead(500).end('s3cret'), 'it answered 500'],
])('One that %s is a sentence', async (_, answer, sentence) => {
  expect(await failure(answer)).toContain(sentence)
})

it('One that sends on to another server does not get the password there', async () => {
  let asked = 0
  const other = await address((_, response) => {
    asked++
    response.end('[]')
  })
  const sentOn = await failure((_, response) => response.writeHead(302, { location: other }).end())
  expect([sentOn.endsWith('it answered 302'), asked]).toEqual([true, 0])
})

it('One that sends without an end is given up', async () => {
  const block = Buffer.alloc(1024 * 1024, ' ')
  const endless = await failure((_, response) => {
    const more = () => response.write(block) && setImmediate(more)
    response.on('drain', more)
    more()
  })
  expect(endless).toMatch(/more than 33554432 bytes|timeout/)
})

it('Of several, the next is asked where one answers nonsense, and stays the one that is asked', async () => {
  let asked = 0
  const odd = await address((_, response) => {
    asked++
    response.end('no')
  })
  const good = await address((_, response) => response.end('[{"name":"a@x","running":true},{"odd":1},null]'))
  const api = new RabbitmqApi([odd, good])
  expect(await api.nodes()).toEqual([{ name: 'a@x', running: true }])
  await api.nodes()
  expect(asked).toBe(1)
})

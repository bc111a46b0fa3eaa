/**
 * The promise: AMQP over TLS with a certificate authority of one's own, as the guide on security says. In front of the cluster stands
 * a TLS server with the certificate that deploy/tls makes; clients are processes of their own, since Node reads
 * NODE_EXTRA_CA_CERTS once.
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type Server } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { clusterUrls, scale, testCluster } from '../support/cluster.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'warren-tls-'))
/** On two addresses: the certificate names the first, and not the second. */
const fronts: Server[] = []
let port = 0

beforeAll(async () => {
  execFileSync(join(root, 'deploy/tls/make-test-ca.sh'), [folder])
  const [cert, key] = ['certificate.pem', 'key.pem'].map((file) => readFileSync(join(folder, file)))
  for (const host of ['127.0.0.1', '127.0.0.2']) {
    const front = createServer({ cert, key }, (client) => {
      const broker = connect(testCluster().amqpPort, '127.0.0.1')
      client.pipe(broker).pipe(client)
      client.on('error', () => broker.destroy()).on('close', () => broker.destroy())
      broker.on('error', () => client.destroy()).on('close', () => client.destroy())
    })
    // A client that does not trust it leaves in the middle of the handshake.
    front.on('tlsClientError', () => {})
    await new Promise<void>((resolve) => front.listen(port, host, resolve))
    const address = front.address()
    port = typeof address === 'object' && address ? address.port : 0
    fronts.push(front)
  }
  await scale(1)
})

afterAll(async () => {
  for (const front of fronts) front.close()
  await scale(0)
  rmSync(folder, { recursive: true, force: true })
})

/** The demo's client over TLS, with 2 tasks. */
async function client(host: string, env: Record<string, string>): Promise<{ code: number | null; said: string }> {
  const args = ['dist/demo/client.js', '--broker', `amqps://client:client@${host}:${port}`]
  const child = spawn(process.execPath, [...args, '--results', clusterUrls().results, '--timeout', '30', '2', '0'], {
    cwd: root,
    env: { PATH: process.env.PATH, ...env },
  })
  let said = ''
  child.stdout.on('data', (text) => (said += text))
  child.stderr.on('data', (text) => (said += text))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, said }
}

type Ending = Awaited<ReturnType<typeof client>>
/** All at the same time: one that is refused tries again for ten seconds. */
let endings: { trusting: Ending; distrusting: Ending; misnamed: Ending }

beforeAll(async () => {
  const trust = { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') }
  const [trusting, distrusting, misnamed] = await Promise.all([
    client('localhost', trust),
    client('localhost', {}),
    client('127.0.0.2', trust),
  ])
  endings = { trusting, distrusting, misnamed }
})

it('Tasks go over TLS to those who trust the authority', () => {
  expect(endings.trusting.said).toContain('2 SUCCESS')
  expect(endings.trusting.code).toBe(0)
})

it('Who does not trust it is told, and sends nothing; the password is not in what is said', () => {
  expect(endings.distrusting.said).toContain('unable to verify the first certificate')
  expect(endings.distrusting.said).not.toContain('client:client')
  expect(endings.distrusting.code).toBe(1)
})

it('A certificate for another name is refused', () => {
  expect(endings.misnamed.said).toContain('does not match certificate')
  expect(endings.misnamed.code).toBe(1)
})

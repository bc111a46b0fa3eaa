/** The promise: one command gives tasks of your own what the operator predefines, and a failing one is dead-lettered. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it, onTestFinished } from 'vitest'
import { connect, defineTask } from 'warren'
import { z } from 'zod'
import { run } from '../../cli/program.js'
import { clusterUrls, deadLetters, manage, testCluster } from '../support/cluster.js'

const vhost = `test-own-${process.pid}`
const folder = mkdtempSync(join(tmpdir(), 'warren-own-'))
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await manage('DELETE', `/vhosts/${vhost}`)
})

it('loads dead letters, policies and delay levels for a module of tasks into a virtual host, twice the same', async () => {
  const path = join(folder, 'tasks.mjs')
  writeFileSync(path, "export const resize = { name: 'image.file.resize', queue: { type: 'quorum' }, input: {} }\n")
  const said: string[] = []
  const output = { out: (text: string) => said.push(text), err: (text: string) => said.push(text) }
  const address = testCluster().management[0]?.replace('http://', 'http://admin:admin@')
  const words = ['definitions', '--module', path, '--service', 'shop', '--vhost', vhost, '--load', address ?? '']
  expect([await run(words, output), said.join('')]).toEqual([
    0,
    expect.stringContaining('Loaded into RabbitMQ: image.dlx'),
  ])
  expect([await run([...words, '--rebalance'], output), said.join('')]).toEqual([
    0,
    expect.not.stringContaining('Cannot'),
  ])
  const exchanges = await manage<{ name: string }[]>('GET', `/exchanges/${vhost}`)
  expect(exchanges.map(({ name }) => name)).toEqual(expect.arrayContaining(['image.dlx', 'warren.delay.due']))

  await manage('PUT', `/permissions/${vhost}/admin`, { configure: '.*', write: '.*', read: '.*' })
  const { broker } = clusterUrls('admin', vhost)
  const resize = defineTask({ name: 'image.file.resize', input: z.object({ fails: z.boolean() }) })
  const warren = await connect({ broker, logger: false })
  onTestFinished(() => warren.close())
  const worker = warren.worker({ service: 'shop' })
  worker.handle(resize, () => {
    throw new Error('no such file')
  })
  await worker.start()
  const ended = new Promise((resolve) => worker.once('deadLettered', resolve))
  await warren.send(resize, { fails: true })
  await ended
  expect(await deadLetters(vhost, 'image.dlq')).toHaveLength(1)
})

it('says who was refused when the user may not', async () => {
  const said: string[] = []
  const output = { out: (text: string) => said.push(text), err: (text: string) => said.push(text) }
  const address = testCluster().management[0]?.replace('http://', 'http://client:client@') ?? ''
  expect(await run(['definitions', '--load', address], output)).toBe(1)
  expect(said.join('')).toContain('It signed in as client, who must be an administrator')
})

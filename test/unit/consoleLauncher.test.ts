/** The console follows a launcher through its socket, and lives on when that one ends in the middle of a word. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { Launcher, type LauncherChange, LauncherError } from '../../console/launcher.js'

const socketPath = join(mkdtempSync(join(tmpdir(), 'launcher-')), 'control.sock')
const CHANGE: LauncherChange = { at: 1, name: 'rabbitmq-3', kind: 'rabbitmq', from: 'stopping', state: 'stopped' }

let server: Server | undefined
const endServer = async (): Promise<void> => {
  const ending = server
  server = undefined
  if (ending === undefined) return
  const closed = new Promise((resolve) => ending.close(resolve))
  ending.closeAllConnections()
  await closed
}
afterEach(endServer)

/** Serves on the socket; `events` is given each reader of `/events`. */
async function serve(answer: (path: string, response: ServerResponse) => void): Promise<void> {
  rmSync(socketPath, { force: true })
  const serving = createServer((request, response) => answer(`${request.method} ${request.url}`, response))
  await new Promise<void>((resolve) => serving.listen(socketPath, resolve))
  server = serving
}

it('hears of each change at once, and comes back after the launcher was away', async () => {
  const launcher = new Launcher(socketPath)
  const heard: LauncherChange[] = []
  let wake: () => void = () => undefined
  const next = () => new Promise<void>((resolve) => (wake = resolve))
  const first = next()
  await serve((_, response) => response.write(`${JSON.stringify(CHANGE)}\n{"half`))
  launcher.follow((change) => {
    heard.push(change)
    wake()
  })
  await first
  // Ends it while an answer is under way.
  await endServer()
  const second = next()
  await serve((_, response) => response.write(`${JSON.stringify({ ...CHANGE, state: 'running' })}\n`))
  await second
  launcher.close()
  expect(heard.map(({ state }) => state)).toEqual(['stopped', 'running'])
})

it('says what the launcher refused, with its status, and that it is not there', async () => {
  const launcher = new Launcher(socketPath)
  await expect(launcher.status()).rejects.toThrow('The launcher does not answer')
  await serve((path, response) => {
    response.writeHead(409, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ code: 'WRONG_STATE', error: `Cannot do ${path}` }))
  })
  const refused = await launcher.act('worker 1', 'freeze').catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(LauncherError)
  expect(refused).toMatchObject({ status: 409, message: 'Cannot do POST /process/worker%201/freeze' })
})

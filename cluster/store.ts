/** The result store: Valkey, or Redis where there is no Valkey. Called `valkey` either way. */
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import type { Binaries } from './binaries.js'
import { configFile } from './folder.js'
import { LOOPBACK, ports } from './ports.js'
import type { ProcessDefinition } from './processDefinition.js'
import type { Settings } from './settings.js'

export function store({ folder, ports: plan }: Settings, { store: command }: Binaries): ProcessDefinition {
  const port = ports.store(plan)
  const data = folder.of('valkey')
  return {
    name: 'valkey',
    kind: 'store',
    ports: [port],
    logFile: folder.log('valkey'),
    pidFile: folder.pidFile('valkey'),
    launch: () => {
      mkdirSync(data, { recursive: true, mode: 0o700 })
      const args = [configFile('valkey', 'valkey.conf'), '--bind', LOOPBACK, '--port', String(port), '--dir', data]
      return { command, args, env: { PATH: process.env.PATH }, cwd: data }
    },
    ready: (signal) => answersPing(port, signal),
    readyTimeoutMs: 30_000,
    stopTimeoutMs: 15_000,
    repeatSigterm: false,
    supervised: false,
  }
}

/** The fact that the store answers PING; it says LOADING while it still reads its file. */
export function answersPing(port: number, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: LOOPBACK })
    const end = (missing: string | undefined) => {
      resolve(missing)
      socket.destroy()
    }
    signal.addEventListener('abort', () => end('no answer to PING'), { once: true })
    socket.once('connect', () => socket.write('PING\r\n'))
    socket.once('data', (answer) => {
      const text = answer.toString('utf8').trim()
      end(text === '+PONG' ? undefined : `it answers ${text}`)
    })
    socket.once('error', (problem) => end(problem.message))
    socket.once('close', () => end('it closed the connection'))
  })
}

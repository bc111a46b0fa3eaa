/**
 * Erlang's port mapper, where the RabbitMQ nodes find each other. Our own, on its own port: a node would otherwise
 * start one in the background that outlives it, or use the system's.
 */
import { connect } from 'node:net'
import type { Binaries } from './binaries.js'
import { LOOPBACK, ports } from './ports.js'
import type { ProcessDefinition } from './processDefinition.js'
import type { Settings } from './settings.js'

export function epmd({ folder, ports: plan }: Settings, { epmd: command }: Binaries): ProcessDefinition {
  const port = ports.epmd(plan)
  return {
    name: 'epmd',
    kind: 'epmd',
    ports: [port],
    logFile: folder.log('epmd'),
    pidFile: folder.pidFile('epmd'),
    launch: () => ({
      command,
      args: ['-address', LOOPBACK, '-port', String(port)],
      env: { PATH: process.env.PATH, HOME: folder.erlangHome },
      cwd: folder.path,
    }),
    ready: () => accepts(port),
    readyTimeoutMs: 10_000,
    stopTimeoutMs: 2_000,
    repeatSigterm: false,
    supervised: false,
  }
}

/** The fact that something accepts connections on a port of the loopback interface. */
function accepts(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: LOOPBACK })
    socket.once('connect', () => resolve(undefined))
    socket.once('error', (problem) => resolve(problem.message))
    socket.once('close', () => resolve('closed'))
    socket.once('connect', () => socket.destroy())
  })
}

/** The console: one live page of a cluster. `startConsole` serves it. */
import { createHmac } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer, getRequestListener } from '@hono/node-server'
import { Accounts } from './accounts.js'
import { createApp } from './app.js'
import { Bursts } from './burst.js'
import { Controls } from './controls.js'
import { DeadLetterDesk } from './deadLetterDesk.js'
import { Drills } from './drills.js'
import { FlowDesk } from './flowDesk.js'
import { Launcher } from './launcher.js'
import { Library } from './library.js'
import { NodeMetrics } from './nodeMetrics.js'
import { Observer } from './observer.js'
import { type ConsoleOptions, type ConsoleSettings, settle } from './options.js'
import { RabbitmqApi } from './rabbitmq.js'
import { RecentTasks } from './recentTasks.js'
import { ScheduleDesk } from './scheduleDesk.js'
import { Sessions, sessionKey } from './sessions.js'
import { StoredHistory } from './storedHistory.js'
import { TaskDesk } from './taskDesk.js'

export {
  type Account,
  type ConsoleOptions,
  DEFAULT_HOST,
  type Identity,
  isLoopback,
  type Role,
  type TrustedHeader,
} from './options.js'

export interface RunningConsole {
  readonly url: string
  readonly readOnly: boolean
  close(): Promise<void>
}

/** A console inside an application that listens itself. */
export interface MountedConsole {
  /** Answers a request whose path begins with `basePath`, or has it taken off. */
  readonly fetch: (request: Request) => Promise<Response>
  /** The same for Node's own requests, as Express and Fastify have them; their bodies must not have been read. */
  readonly listener: (request: IncomingMessage, response: ServerResponse) => Promise<void>
  readonly readOnly: boolean
  close(): Promise<void>
}

/**
 * Serves until `close()`. It starts without the cluster, and shows it once it is there. Throws `OptionsError`, and what
 * `listen` throws when the port is taken.
 */
export async function startConsole(options: ConsoleOptions): Promise<RunningConsole> {
  const settings = settle(options)
  const { fetch, begin, end } = make(settings)
  const server = createAdaptorServer({ fetch })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(settings.port, settings.host, resolve)
  })
  begin()
  const { port } = server.address() as AddressInfo
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host
  const { readOnly, basePath } = settings
  const close = once(async () => {
    const ended = end()
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    if ('closeAllConnections' in server) server.closeAllConnections()
    await Promise.all([closed, ended])
  })
  return { url: `http://${host}:${port}${basePath}/`, readOnly, close }
}

/**
 * The console as a handler for an application that listens itself. It looks at the cluster until `close()`. Throws
 * `OptionsError`.
 */
export function mountConsole(options: ConsoleOptions): MountedConsole {
  const settings = settle(options, { mounted: true })
  const { fetch, begin, end } = make(settings)
  const listen = getRequestListener(fetch, { overrideGlobalObjects: false })
  begin()
  return {
    fetch: async (request) => fetch(request),
    listener: (request, response) => {
      // Express takes the path off under which it is mounted, and keeps the whole one here.
      const { originalUrl } = request as IncomingMessage & { readonly originalUrl?: unknown }
      if (typeof originalUrl === 'string') request.url = originalUrl
      return listen(request, response)
    },
    readOnly: settings.readOnly,
    close: once(end),
  }
}

/** What both are made of; nothing is asked before `begin()`. */
function make(settings: ConsoleSettings) {
  const parts = assembleParts(settings)
  const { app, close } = createApp(parts)
  return {
    fetch: app.fetch,
    begin() {
      parts.observer.start()
      parts.tasks?.start()
    },
    async end() {
      parts.observer.stop()
      parts.tasks?.stop()
      parts.bursts.end()
      close()
      await Promise.all([parts.drills?.end(), parts.library.close()])
    },
  }
}

function once(act: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => {
    done ??= act()
    return done
  }
}

function assembleParts(settings: ConsoleSettings) {
  const { accounts, results, control, drillCommand, management, metrics, deliveryLimit, readOnly, stateFolder } =
    settings
  const library = new Library(settings)
  const open = () => library.open()
  const tasks = results === undefined ? undefined : new RecentTasks(results, (id) => library.state(id))
  const launcher = control === undefined ? undefined : new Launcher(control)
  const observer = new Observer({
    ...{ api: new RabbitmqApi(management), metrics: new NodeMetrics(metrics) },
    ...{ launcher, storeState: () => tasks?.state },
  })
  const bursts = new Bursts(open)
  const history = tasks === undefined ? undefined : new StoredHistory(open, tasks, observer.names)
  const drills = drillCommand === undefined || launcher === undefined ? undefined : new Drills(drillCommand)
  // A changed password ends all sign-ins that were made with the old one.
  const key = createHmac('sha256', sessionKey(stateFolder)).update(JSON.stringify(accounts)).digest()
  return {
    ...{ settings, library, tasks, launcher, observer, drills, vhost: settings.vhost },
    sessions: new Sessions(key, stateFolder),
    accounts: new Accounts(accounts),
    ...{ bursts, history, taskDesk: new TaskDesk(open, bursts, observer.names) },
    controls: results === undefined ? undefined : new Controls(open),
    schedules: new ScheduleDesk(open),
    flows: new FlowDesk(open, history),
    desk: new DeadLetterDesk(open, deliveryLimit),
    can: ({ role }: { role: string }) => {
      const act = role === 'operator' && !readOnly
      return {
        ...{ act, control: act && launcher !== undefined, drills: act && drills !== undefined },
        ...{ burst: act && results !== undefined, tasks: results !== undefined },
      }
    },
  }
}

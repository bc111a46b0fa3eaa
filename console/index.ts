/** The console: one live page of a cluster. `startConsole` serves it. */
import { createHmac } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { Accounts } from './accounts.js'
import { createApp } from './app.js'
import { Bursts } from './burst.js'
import { DeadLetterDesk } from './deadLetterDesk.js'
import { Drills } from './drills.js'
import { Launcher } from './launcher.js'
import { Library } from './library.js'
import { Observer } from './observer.js'
import { type ConsoleOptions, type ConsoleSettings, settle } from './options.js'
import { RabbitmqApi } from './rabbitmq.js'
import { RecentTasks } from './recentTasks.js'
import { Sessions, sessionKey } from './sessions.js'

export { type Account, type ConsoleOptions, DEFAULT_HOST, isLoopback } from './options.js'

export interface RunningConsole {
  readonly url: string
  readonly readOnly: boolean
  close(): Promise<void>
}

/**
 * Serves until `close()`. It starts without the cluster, and shows it once it is there. Throws `OptionsError`, and what
 * `listen` throws when the port is taken.
 */
export async function startConsole(options: ConsoleOptions): Promise<RunningConsole> {
  const settings = settle(options)
  const parts = assembleParts(settings)
  const { app, close } = createApp(parts)
  const server = createAdaptorServer({ fetch: app.fetch })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(settings.port, settings.host, resolve)
  })
  parts.observer.start()
  parts.tasks?.start()
  const { port } = server.address() as AddressInfo
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host
  let closing: Promise<void> | undefined
  const end = async () => {
    parts.observer.stop()
    parts.tasks?.stop()
    parts.bursts.end()
    close()
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    if ('closeAllConnections' in server) server.closeAllConnections()
    await Promise.all([closed, parts.drills?.end(), parts.library.close()])
  }
  return {
    url: `http://${host}:${port}${settings.basePath}/`,
    readOnly: settings.readOnly,
    close: () => {
      closing ??= end()
      return closing
    },
  }
}

function assembleParts(settings: ConsoleSettings) {
  const { accounts, results, control, drillCommand, management, deliveryLimit, readOnly, stateFolder } = settings
  const library = new Library(settings)
  const open = () => library.open()
  const tasks = results === undefined ? undefined : new RecentTasks(results, (id) => library.state(id))
  const launcher = control === undefined ? undefined : new Launcher(control)
  const observer = new Observer({ api: new RabbitmqApi(management), launcher, storeState: () => tasks?.state })
  const drills = drillCommand === undefined || launcher === undefined ? undefined : new Drills(drillCommand)
  // A changed password ends all sign-ins that were made with the old one.
  const key = createHmac('sha256', sessionKey(stateFolder)).update(JSON.stringify(accounts)).digest()
  return {
    ...{ settings, library, tasks, launcher, observer, drills, vhost: settings.vhost },
    sessions: new Sessions(key, stateFolder),
    accounts: new Accounts(accounts),
    bursts: new Bursts(open),
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

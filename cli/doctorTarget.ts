/** The target of `warren doctor`: the given options, completed from the environment or the running cluster. */
import type { LookOptions, TasksFacts } from '../doctor/index.js'
import { Failure } from './failure.js'
import { readModuleTasks } from './moduleTasks.js'

export interface DoctorOptions {
  readonly broker?: string
  readonly management?: string
  readonly results?: string
  readonly module?: readonly string[]
  readonly service?: string
  readonly consumerTimeout?: number
  readonly dir?: string
  readonly json?: true
}

type Addresses = Pick<LookOptions, 'broker' | 'management' | 'results'>

export async function targetOf(options: DoctorOptions): Promise<LookOptions> {
  if (options.service !== undefined && options.module === undefined) {
    throw new Failure('--service is for --module only', { exitCode: 2 })
  }
  const { isStoreAddress, withPassword } = await import('../demo/secrets.js')
  const list = (text: string | undefined): string[] | undefined =>
    text ? text.split(',').map((each) => withPassword(each.trim(), process.env)) : undefined
  const broker = list(options.broker || process.env.WARREN_BROKER)
  const management = list(options.management || process.env.WARREN_MANAGEMENT)
  // Not a list: Sentinels have commas in one address.
  const results = (options.results || process.env.WARREN_RESULTS)?.trim()
  checkAddresses('--broker', broker, ['amqp:', 'amqps:'])
  checkAddresses('--management', management, ['http:', 'https:'])
  if (results && !isStoreAddress(results)) throw unreadable('--results', 'redis:')
  const store = results ? withPassword(results, process.env) : undefined
  const own = broker === undefined
  return {
    ...(own ? await ofRunning(options, management, store) : await ofOthers(broker, management, store)),
    tasks: (await given(options)) ?? (own ? await demoTasks() : undefined),
    consumerTimeoutMs: options.consumerTimeout,
  }
}

/** Never shows any part of an address: an unreadable part may be a password. */
function checkAddresses(option: string, addresses: readonly string[] | undefined, protocols: readonly string[]): void {
  for (const address of addresses ?? []) {
    const url = URL.canParse(address) ? new URL(address) : undefined
    const readable =
      url !== undefined &&
      protocols.includes(url.protocol) &&
      url.hostname !== '' &&
      // With an unencoded / ? or # in a password, the rest would be parsed as the path.
      !/@/.test(url.pathname + url.search + url.hash) &&
      [url.username, url.password, ...(option === '--broker' ? [url.pathname] : [])].every(isEncoded)
    if (readable) continue
    throw unreadable(option, protocols[0] ?? '')
  }
}

const unreadable = (option: string, protocol: string): Failure =>
  new Failure(
    `expected ${option} to be an address such as ${protocol}//user:password@host, with / ? # @ : and % in user and password percent-encoded; what came is not shown`,
    { exitCode: 2 },
  )

function isEncoded(part: string): boolean {
  try {
    decodeURIComponent(part)
    return true
  } catch {
    return false
  }
}

async function ofOthers(
  broker: readonly string[],
  management: readonly string[] | undefined,
  results: string | undefined,
): Promise<Addresses> {
  const { managementOf } = await import('../console/options.js')
  return { broker, management: managementOf(broker, management), results }
}

/** The service's user for the broker, whose permissions are checked, and the administrator for everything else. */
async function ofRunning(
  { dir }: DoctorOptions,
  management: readonly string[] | undefined,
  results: string | undefined,
): Promise<Addresses> {
  const { managementOf } = await import('../console/options.js')
  const { runningAddresses } = await import('./running.js')
  const service = await runningAddresses('worker', dir)
  const admin = await runningAddresses('admin', dir)
  return {
    broker: service.broker,
    management: management === undefined ? admin.management : managementOf(admin.broker, management),
    results: results ?? service.results,
  }
}

async function given({ module, service }: DoctorOptions): Promise<TasksFacts | undefined> {
  if (module === undefined) return undefined
  const { tasks } = await readModuleTasks(module)
  return { tasks: tasks.map(factsOf), service }
}

async function demoTasks(): Promise<TasksFacts> {
  const { SERVICE, tasks } = await import('../demo/tasks.js')
  return { tasks: tasks.map(factsOf), service: SERVICE }
}

const factsOf = ({
  name,
  queue,
  timeoutMs,
}: {
  name: string
  queue: { type: string }
  timeoutMs?: number | undefined
}) => ({
  name,
  queueType: queue.type,
  timeoutMs,
})

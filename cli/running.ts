/** The running cluster from another terminal: its folder, its status, and its addresses with the demo's users. */
import { Option } from 'commander'
import { Failure } from './failure.js'

export const DEFAULT_DIR = '.warren'

export const dirOption = (): Option =>
  new Option('--dir <dir>', "the running cluster's folder (default: WARREN_DIR, or .warren)")

export const folderOf = (dir: string | undefined): string => dir || process.env.WARREN_DIR || DEFAULT_DIR

/**
 * Where the cluster's broker and store are, for one of the demo's users: `client` publishes, `worker` also consumes, `operator`
 * reads all queues, `admin` may do everything.
 */
export async function runningAddresses(
  role: 'client' | 'worker' | 'operator' | 'admin',
  dir: string | undefined,
  /** The command's options that name other servers. */
  options = '--broker and --results',
): Promise<{ broker: string[]; results: string; management: string[] }> {
  const { ClusterError, readStatus } = await import('../cluster/index.js')
  const { users } = await import('../demo/topology.js')
  const status = await readStatus(folderOf(dir)).catch((error: unknown) => {
    if (!(error instanceof ClusterError) || error.code !== 'NOT_RUNNING') throw error
    throw new Failure(`${error.message}, or pass ${options}`, { cause: error })
  })
  const name = role === 'worker' ? 'service' : role
  const password = users().find((user) => user.name === name)?.password ?? ''
  const signedIn = (address: string): string => {
    const url = new URL(address)
    url.username = name
    url.password = encodeURIComponent(password)
    return url.href
  }
  const { amqp, results, management } = status.addresses
  return { broker: amqp.map(signedIn), results, management: management.nodes.map(signedIn) }
}

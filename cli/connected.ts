/** Connects one command to the cluster given by its options, the environment, or the running local cluster. */
import type { Command } from 'commander'
import type { Warren } from 'warren'
import { dirOption } from './running.js'

export interface WhereOptions {
  readonly dir?: string
  readonly broker?: string
  readonly results?: string
}

export interface WhereJsonOptions extends WhereOptions {
  readonly json?: true
}

export const withWhere = (command: Command): Command =>
  command
    .addOption(dirOption())
    .option('--broker <url>', 'broker address, several separated by commas (default: WARREN_BROKER, or the cluster)')
    .option('--results <url>', 'result store address (default: WARREN_RESULTS, or the running cluster)')

export const withWhereAndJson = (command: Command): Command =>
  withWhere(command).option('--json', 'print one JSON object a line')

/** Runs `act` on a connection with this name, and closes it afterwards. */
export async function connected<T>(
  options: WhereOptions,
  name: string,
  act: (warren: Warren) => Promise<T>,
): Promise<T> {
  const { connect } = await import('warren')
  const warren = await connect({ ...(await addresses(options)), name, logger: false })
  try {
    return await act(warren)
  } finally {
    await warren.close()
  }
}

async function addresses({ broker, results, dir }: WhereOptions): Promise<{ broker: string[]; results: string }> {
  const { withPassword } = await import('../demo/secrets.js')
  const { runningAddresses } = await import('./running.js')
  const given = broker || process.env.WARREN_BROKER
  const store = results || process.env.WARREN_RESULTS
  const running = given && store ? undefined : await runningAddresses('operator', dir)
  return {
    broker: given ? given.split(',').map((each) => withPassword(each.trim(), process.env)) : (running?.broker ?? []),
    results: store ? withPassword(store, process.env) : (running?.results ?? ''),
  }
}

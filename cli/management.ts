/** The parts of RabbitMQ's management API that commands use. */

/** A frozen node accepts connections but does not answer. */
const TIMEOUT_MS = 3_000

/** Asks each address until one answers; throws if none does. */
export async function askEach<T>(management: readonly string[], ask: (address: string) => Promise<T>): Promise<T> {
  let problem: unknown = new Error('no address of the management API is known')
  for (const address of management) {
    try {
      return await ask(address)
    } catch (error) {
      problem = error
    }
  }
  throw problem
}

/** The answer of an address to a path that returns a list. */
export async function listed(address: string, path: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const url = new URL(address)
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  url.username = ''
  url.password = ''
  const response = await fetch(`${url.href.replace(/\/$/, '')}/api${path}`, {
    headers: { authorization: `Basic ${Buffer.from(user).toString('base64')}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  if (!response.ok) {
    await response.body?.cancel()
    throw new Error(`${url.host} answered ${response.status}`)
  }
  const list: unknown = await response.json()
  if (!Array.isArray(list)) throw new Error(`${url.host} did not answer with a list`)
  return list.filter((each) => typeof each === 'object' && each !== null)
}

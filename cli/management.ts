/** RabbitMQ's management API, as far as commands ask it. */

/** A node that is frozen accepts a connection and answers nothing. */
const TIMEOUT_MS = 3_000

/** Asks each address until one answers. Throws when none does. */
export async function askEach<T>(management: readonly string[], ask: (address: string) => Promise<T>): Promise<T> {
  let problem: unknown = new Error('no address of a management API is known')
  for (const address of management) {
    try {
      return await ask(address)
    } catch (error) {
      problem = error
    }
  }
  throw problem
}

/** What an address answers to a path that names a list. */
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
  if (!Array.isArray(list)) throw new Error(`${url.host} answered something else than a list`)
  return list.filter((each) => typeof each === 'object' && each !== null)
}

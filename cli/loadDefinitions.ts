/** Loads definitions into RabbitMQ through its management API. Loading the same definitions again changes nothing. */
import { textOf } from 'warren'
import { Failure } from './failure.js'

/** `address` is the management page's address and may contain a user; otherwise `admin` signs in with `password`. */
export async function loadDefinitions(
  address: string,
  password: string,
  body: string,
  { rebalance = false }: { readonly rebalance?: boolean | undefined } = {},
): Promise<void> {
  const { url, user = 'admin', secret = password } = parts(address)
  const authorization = `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`
  const post = async (path: string, what: string, content?: string): Promise<void> => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(30_000),
      ...(content === undefined ? {} : { body: content }),
    }).catch((cause: unknown) => {
      throw new Failure(`Cannot ${what}: ${url}${path} does not answer (${textOf(cause)})`)
    })
    if (response.ok) return
    const said = (await response.text()).slice(0, 300)
    const refused = response.status === 401 || response.status === 403
    const remedy = `. It signed in as ${user}, who must be an administrator: put user:password@ into the address, or set WARREN_ADMIN_PASSWORD`
    throw new Failure(`Cannot ${what}: ${url}${path} answered ${response.status} ${said}${refused ? remedy : ''}`)
  }
  await post('/api/definitions', 'load the definitions', body)
  if (rebalance) await post('/api/rebalance/queues', 'spread the leaders')
}

/** Removes the password, because the address is printed. */
function parts(address: string): { url: string; user: string | undefined; secret: string | undefined } {
  const given = URL.canParse(address) ? new URL(address) : undefined
  if (given === undefined || !/^https?:$/.test(given.protocol)) {
    throw new Failure('Expected --load to be an address such as http://127.0.0.1:15672', { exitCode: 2 })
  }
  const { username, password } = given
  given.username = ''
  given.password = ''
  return {
    url: given.href.replace(/\/+$/, ''),
    user: username === '' ? undefined : decodeURIComponent(username),
    secret: username === '' ? undefined : decodeURIComponent(password),
  }
}

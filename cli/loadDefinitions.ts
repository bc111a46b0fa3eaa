/** Loads definitions into RabbitMQ through its management API. The same again changes nothing. */
import { textOf } from 'warren'
import { Failure } from './failure.js'

/** `address` is that of the management page, and may hold a user: otherwise `password` is that of `admin`. */
export async function loadDefinitions(address: string, password: string, body: string): Promise<void> {
  const { url, user, secret } = parts(address)
  const name = user ?? 'admin'
  const authorization = `Basic ${Buffer.from(`${name}:${secret ?? password}`).toString('base64')}`
  const headers = { authorization, 'content-type': 'application/json' }
  const signal = AbortSignal.timeout(30_000)
  const response = await fetch(url, { method: 'POST', headers, body, signal }).catch((cause: unknown) => {
    throw new Failure(`Cannot load the definitions: ${url} does not answer (${textOf(cause)})`)
  })
  if (response.ok) return
  const said = (await response.text()).slice(0, 300)
  const remedy =
    response.status === 401 || response.status === 403
      ? `. It signed in as ${name}, who must be an administrator: put user:password@ into the address, or set WARREN_ADMIN_PASSWORD`
      : ''
  throw new Failure(`Cannot load the definitions: ${url} answered ${response.status} ${said}${remedy}`)
}

/** The password is taken out of the address, which is printed. */
function parts(address: string): { url: string; user: string | undefined; secret: string | undefined } {
  const given = URL.canParse(address) ? new URL(address) : undefined
  if (given === undefined || !/^https?:$/.test(given.protocol)) {
    throw new Failure('Expected --load to be an address such as http://127.0.0.1:15672', { exitCode: 2 })
  }
  const { username, password } = given
  given.username = ''
  given.password = ''
  return {
    url: `${given.href.replace(/\/+$/, '')}/api/definitions`,
    user: username === '' ? undefined : decodeURIComponent(username),
    secret: username === '' ? undefined : decodeURIComponent(password),
  }
}

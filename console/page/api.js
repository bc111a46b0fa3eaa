/** Requests to the console's own server, relative to the page, which a proxy may show under a prefix. What it refuses is thrown as an error that people can read. */

let token = ''

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message)
    this.status = status
    this.code = code
  }
}

async function call(method, path, body) {
  let response
  try {
    response = await fetch(`api${path}`, {
      method,
      headers: {
        ...(method === 'GET' ? {} : { 'x-csrf-token': token }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  } catch {
    throw new ApiError(0, 'AWAY', 'The console does not answer')
  }
  const type = response.headers.get('content-type') ?? ''
  // While the console is away, the proxy answers in its place.
  if (!type.startsWith('application/json')) throw new ApiError(0, 'AWAY', 'The console does not answer')
  const answer = await response.json()
  if (response.ok) return answer
  throw new ApiError(response.status, answer.error, answer.message)
}

export const get = (path) => call('GET', path)
export const post = (path, body = {}) => call('POST', path, body)
export const remove = (path) => call('DELETE', path)

const keep = (session) => {
  token = session.token ?? ''
  return session
}

export const readSession = async () => keep(await get('/session'))
export const signIn = async (user, password) => keep(await post('/session', { user, password }))
export const signOut = async () => keep(await remove('/session'))

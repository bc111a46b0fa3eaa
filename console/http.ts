/** One request to a server that may be frozen, slow, or somebody else's: bounded in time and size. */

export interface Server {
  /** Without a user and without a closing slash. */
  readonly base: string
  /** Undefined if the address names no user. */
  readonly authorization: string | undefined
}

/** 500 queues take some 750 kB; a cluster with very many bindings some megabytes. */
const MAX_ANSWER = 32 * 1024 * 1024

export function serverAt(address: string): Server {
  const url = new URL(address)
  const user = `${decoded(url.username)}:${decoded(url.password)}`
  url.username = ''
  url.password = ''
  return {
    base: url.href.replace(/\/$/, ''),
    authorization: user === ':' ? undefined : `Basic ${Buffer.from(user).toString('base64')}`,
  }
}

/** `refused`: what to check when the server wants somebody else. Throws with a reason that people can read. */
export async function textFrom(
  { base, authorization }: Server,
  path: string,
  { timeoutMs, refused = 'check user and password' }: { readonly timeoutMs: number; readonly refused?: string },
): Promise<string> {
  const response = await fetch(`${base}${path}`, {
    headers: authorization === undefined ? {} : { authorization },
    signal: AbortSignal.timeout(timeoutMs),
    // Another server must not get the password.
    redirect: 'manual',
  })
  if (!response.ok) {
    await response.body?.cancel()
    const hint = response.status === 401 || response.status === 403 ? `: ${refused}` : ''
    throw new Error(`it answered ${response.status}${hint}`)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > MAX_ANSWER) throw new Error(`it answered more than ${MAX_ANSWER} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** `fetch` says only that it failed; why is in the cause. */
export const causeOf = (error: unknown): unknown =>
  error instanceof Error && error.cause !== undefined ? error.cause : error

/** A per cent sign that is none of URL's own stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

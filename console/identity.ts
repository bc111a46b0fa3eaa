/**
 * Who asks, where somebody else has signed them in: a proxy that names them in a header, or the application that the console
 * is mounted in. Nobody's word is taken for it but theirs: a header counts only from the proxy's own address.
 */
import { isIP } from 'node:net'
import type { ConsoleSettings, Identity } from './options.js'
import { Refusal } from './refusal.js'
import type { Session } from './sessions.js'

/** Undefined when neither says who it is. `peer`: the address that the request comes from. */
export async function identityOf(
  request: Request,
  peer: string,
  { identify, trusted }: Pick<ConsoleSettings, 'identify' | 'trusted'>,
): Promise<Session | undefined> {
  const identity = trusted === undefined ? undefined : fromHeader(request, peer, trusted)
  if (identity !== undefined) return sessionOf(identity)
  if (identify === undefined) return undefined
  let answer: unknown
  try {
    answer = await identify(request)
  } catch {
    throw new Refusal(503, 'IDENTIFY_FAILED', 'The application that this console is part of could not say who you are')
  }
  if (answer === undefined || answer === null || answer === false) return undefined
  if (!isIdentity(answer)) {
    throw new Refusal(503, 'IDENTIFY_FAILED', 'The application that this console is part of gave no user and role')
  }
  return sessionOf(answer)
}

const MAX_USER = 200

function fromHeader(
  request: Request,
  peer: string,
  { header, operators, proxies }: NonNullable<ConsoleSettings['trusted']>,
): Identity | undefined {
  if (!proxies.some((proxy) => sameAddress(proxy, peer))) return undefined
  const user = request.headers.get(header)?.trim() ?? ''
  // Two of them arrive as one with a comma: one may be the proxy's, the other a stranger's.
  if (user === '' || user.length > MAX_USER || user.includes(',')) return undefined
  return { user, role: operators.includes(user) ? 'operator' : 'viewer' }
}

/** IPv4 addresses arrive as IPv6 ones where a server listens on both. */
const plain = (address: string): string => address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '')
const sameAddress = (one: string, other: string): boolean => isIP(plain(other)) !== 0 && plain(one) === plain(other)

const isIdentity = (value: unknown): value is Identity => {
  const { user, role } = value as Partial<Identity>
  return typeof user === 'string' && user !== '' && (role === 'operator' || role === 'viewer')
}

/** What begins so was signed in elsewhere, and cannot be signed out here. */
const ELSEWHERE = 'elsewhere '

const sessionOf = ({ user, role }: Identity): Session => ({
  ...{ id: `${ELSEWHERE}${role} ${user}`, user: user.slice(0, MAX_USER), role, endsAt: Number.MAX_SAFE_INTEGER },
})

export const isElsewhere = ({ id }: Session): boolean => id.startsWith(ELSEWHERE)

/**
 * What stands before every request: headers that leave a browser nothing to run but the page's own files, whose host it
 * may be asked under, who asks, and whether that one may do what is asked.
 */
import { getConnInfo } from '@hono/node-server/conninfo'
import type { Context, MiddlewareHandler } from 'hono'
import { getCookie } from 'hono/cookie'
import { identityOf } from './identity.js'
import { type ConsoleSettings, isLoopback } from './options.js'
import { Refusal } from './refusal.js'
import type { Session, Sessions } from './sessions.js'

export const COOKIE = 'warren_session'
export const TOKEN_HEADER = 'x-csrf-token'

export interface Env {
  Variables: { session: Session }
}

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
}

export const headers: MiddlewareHandler = async (context, next) => {
  await next()
  for (const [name, value] of Object.entries(HEADERS)) context.res.headers.set(name, value)
  if (!context.res.headers.has('cache-control')) context.res.headers.set('cache-control', 'no-store')
}

/**
 * On loopback only loopback's own names are answered to: another site cannot have its name point here and then count as
 * the same site. Elsewhere the names are the operator's affair.
 */
export function hostCheck({ loopback, origin }: ConsoleSettings): MiddlewareHandler {
  const own = origin === undefined ? undefined : new URL(origin).host
  return async (context, next) => {
    const host = context.req.header('host') ?? ''
    const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
    if (host !== own && loopback && !isLoopback(name)) {
      throw new Refusal(403, 'WRONG_HOST', 'This console only answers requests to 127.0.0.1 and localhost')
    }
    await next()
  }
}

/** A request that changes something must come from this page: by its origin, which no script can set. */
export function requireOwnOrigin(context: Context, { origin: own }: ConsoleSettings): void {
  const origin = context.req.header('origin') ?? ''
  const site = context.req.header('sec-fetch-site') ?? 'same-origin'
  // A request that an application made itself has no such header.
  const host = context.req.header('host') ?? new URL(context.req.url).host
  const same = own === undefined ? URL.canParse(origin) && new URL(origin).host === host : origin === own
  if (!same || site !== 'same-origin') {
    const where = own === undefined ? '' : `: open it at ${own}/`
    throw new Refusal(403, 'WRONG_ORIGIN', `This request does not come from the console’s own page${where}`)
  }
}

/** Of a proxy's or an application's word, else of the console's own sign-in. */
export async function sessionOf(
  context: Context,
  { sessions, settings }: { readonly sessions: Sessions; readonly settings: ConsoleSettings },
): Promise<Session | undefined> {
  const elsewhere = await identityOf(context.req.raw, peerOf(context), settings)
  return elsewhere ?? sessions.read(getCookie(context, COOKIE))
}

export function requireSession(parts: {
  readonly sessions: Sessions
  readonly settings: ConsoleSettings
}): MiddlewareHandler<Env> {
  return async (context, next) => {
    const session = await sessionOf(context, parts)
    if (session === undefined) throw new Refusal(401, 'SIGN_IN', 'Sign in first')
    context.set('session', session)
    await next()
  }
}

/** For all that changes something. Looking is free. */
export function requireOperator(sessions: Sessions, settings: ConsoleSettings): MiddlewareHandler<Env> {
  return async (context, next) => {
    if (context.req.method === 'GET' || context.req.method === 'HEAD') return next()
    const session = context.get('session')
    requireOwnOrigin(context, settings)
    if (!sessions.owns(session, context.req.header(TOKEN_HEADER))) {
      throw new Refusal(403, 'WRONG_TOKEN', 'The page is out of date: reload it')
    }
    if (session.role !== 'operator')
      throw new Refusal(403, 'VIEWER', 'You have read-only access: sign in as an operator')
    if (settings.readOnly)
      throw new Refusal(
        403,
        'READ_ONLY',
        'This console is read-only: it was started with --read-only, or not on loopback',
      )
    await next()
  }
}

/** Where a request comes from; behind a proxy that is the proxy. */
export function peerOf(context: Context): string {
  try {
    return getConnInfo(context).remote.address ?? 'unknown'
  } catch {
    // No socket: a request made by a test.
    return 'unknown'
  }
}

/** The body as JSON; whatever else it is, is refused. A form of another site cannot send this type. */
export async function jsonOf(context: Context): Promise<unknown> {
  const type = context.req.header('content-type') ?? ''
  if (!/^application\/json\s*(?:;|$)/i.test(type))
    throw new Refusal(400, 'NOT_JSON', 'Expected a body of type application/json')
  try {
    return await context.req.json()
  } catch {
    throw new Refusal(400, 'NOT_JSON', 'Expected a body in JSON')
  }
}

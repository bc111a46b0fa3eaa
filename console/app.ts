/** The console's HTTP face: the page, the API behind it, and the stream that keeps it up to date. */
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { deleteCookie, setCookie } from 'hono/cookie'
import { streamSSE } from 'hono/streaming'
import { checkOptions, is, OptionsError, textOf, WarrenError } from 'warren'
import { type Accounts, SignInLimit } from './accounts.js'
import {
  COOKIE,
  type Env,
  headers,
  hostCheck,
  jsonOf,
  peerOf,
  requireOperator,
  requireOwnOrigin,
  requireSession,
  sessionOf,
} from './guard.js'
import { isElsewhere } from './identity.js'
import { LauncherError } from './launcher.js'
import type { ConsoleSettings } from './options.js'
import { type PageFile, pageFiles, pageVersion, shellFor } from './page.js'
import type { Parts } from './parts.js'
import { Refusal } from './refusal.js'
import { apiRoutes } from './routes/index.js'
import { SESSION_MS, type Session, type Sessions } from './sessions.js'
import { Viewers } from './viewers.js'

/** Requests are orders of a few words. */
const MAX_BODY = 16 * 1024
/** The page's views: each address below one of these is the page itself, which shows that view. */
const VIEWS = ['tasks', 'queues', 'schedules', 'flows', 'dead-letters', 'workers', 'cluster', 'lab']
/** Proxies close a connection on which nothing goes for a minute. */
const PING_MS = 15_000

export interface AppParts extends Parts {
  readonly settings: ConsoleSettings
  readonly sessions: Sessions
  readonly accounts: Accounts
}

export function createApp(parts: AppParts): { readonly app: Hono<Env>; readonly close: () => void } {
  const { settings, sessions } = parts
  const { basePath } = settings
  // A proxy may take the prefix off or leave it: both reach the same pages.
  const app = new Hono<Env>({
    getPath: (request) => pathIn(request, basePath),
  })
  const viewers = new Viewers(parts)
  app.onError((error, context) => refuse(error, context))
  app.notFound((context) => context.json({ error: 'NOT_FOUND', message: 'Nothing is here' }, 404))
  app.use(headers)
  app.get('/healthz', (context) => context.json({ ok: true }))
  app.use(hostCheck(settings))
  app.use(
    bodyLimit({
      maxSize: MAX_BODY,
      onError: (context) => context.json({ error: 'TOO_LONG', message: 'The request body is too large' }, 413),
    }),
  )
  // The page's own addresses are relative: they need the slash at the end.
  if (basePath !== '') app.get(basePath, (context) => context.redirect(`${basePath}/`, 308))
  const shell = (context: Context) => pageFile(context, shellFor(pathIn(context.req.raw, basePath)))
  app.get('/', shell)
  for (const view of VIEWS) app.get(`/${view}`, shell).get(`/${view}/*`, shell)
  for (const [path, file] of pageFiles()) {
    app.get(path, (context) => pageFile(context, file))
    app.get(`/v/:version${path}`, (context) => pageFile(context, file, context.req.param('version') === pageVersion()))
  }
  signIn(app, parts, viewers)
  const api = new Hono<Env>()
  api.use(requireSession(parts), requireOperator(sessions, settings))
  api.get('/stream', (context) => stream(context, viewers, parts))
  apiRoutes(api, parts)
  app.route('/api', api)
  return { app, close: () => viewers.close() }
}

function pathIn(request: Request, basePath: string): string {
  const { pathname } = new URL(request.url)
  return basePath !== '' && pathname.startsWith(`${basePath}/`) ? pathname.slice(basePath.length) : pathname
}

/**
 * Compressed for those who take that: the page is a few times smaller then. `kept`: its address names this version of it, so
 * that the browser need not ask again. A page that is older than this console gets the new files, and keeps none of them.
 */
function pageFile(context: Context, { type, body, etag, zipped }: PageFile, kept = false): Response {
  const zip = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(context.req.header('accept-encoding') ?? '')
  const tag = zip ? etag.replace(/"$/, '-gzip"') : etag
  context.header('cache-control', kept ? 'public, max-age=31536000, immutable' : 'no-cache')
  context.header('vary', 'accept-encoding')
  context.header('etag', tag)
  if (context.req.header('if-none-match') === tag) return context.body(null, 304)
  if (zip) context.header('content-encoding', 'gzip')
  return context.body(zip ? zipped : body, 200, { 'content-type': type })
}

function signIn(app: Hono<Env>, parts: AppParts, viewers: Viewers): void {
  const { settings, sessions, accounts, observer } = parts
  const limit = new SignInLimit()
  const secure = settings.origin?.startsWith('https:') === true
  const about = (session: Session) => ({
    signedIn: true,
    ...{ user: session.user, role: session.role, token: sessions.token(session) },
    canSignOut: !isElsewhere(session),
    ...{ readOnly: settings.readOnly, can: parts.can(session), vhost: settings.vhost, links: settings.links ?? null },
  })
  const path = `${settings.basePath}/`
  app.get('/api/session', async (context) => {
    const session = await sessionOf(context, parts)
    return context.json(session === undefined ? { signedIn: false } : about(session))
  })
  app.post('/api/session', async (context) => {
    requireOwnOrigin(context, settings)
    const body = await jsonOf(context)
    checkOptions('sign-in', body, { user: is.text, password: is.text }, ['user', 'password'])
    const { user, password } = body as { user: string; password: string }
    const peer = peerOf(context)
    // From here to the count nothing is awaited, so that many at once get no more tries than one after the other.
    const wait = limit.waitSeconds(peer)
    if (wait !== undefined) {
      context.header('retry-after', String(wait))
      throw new Refusal(429, 'TOO_MANY', `Too many failed sign-ins: try again in ${wait} s`)
    }
    const role = accounts.check(user, password)
    if (role === undefined) {
      limit.failed(peer)
      throw new Refusal(401, 'WRONG_PASSWORD', 'No account has this name and password')
    }
    const cookie = sessions.begin(user, role)
    setCookie(context, COOKIE, cookie, {
      ...{ httpOnly: true, sameSite: 'Strict', path, secure, maxAge: SESSION_MS / 1000 },
    })
    const session = sessions.read(cookie)
    return context.json(session === undefined ? { signedIn: false } : about(session))
  })
  app.delete('/api/session', async (context) => {
    requireOwnOrigin(context, settings)
    const session = await sessionOf(context, parts)
    if (session !== undefined) {
      if (isElsewhere(session)) {
        throw new Refusal(
          409,
          'SIGNED_IN_ELSEWHERE',
          'You were signed in by a proxy or another application: sign out there',
        )
      }
      try {
        sessions.end(session)
      } catch (error) {
        const text = `The sign-out of ${session.user} could not be saved: it may not survive a restart of the console (${textOf(error)})`
        observer.tell({ tone: 'bad', text })
      }
      viewers.endSession(session.id)
    }
    deleteCookie(context, COOKIE, { path, secure })
    return context.json({ signedIn: false })
  })
}

/** One page's stream. It ends with its session, so that a signed-out page sees nothing more. */
function stream(context: Context<Env>, viewers: Viewers, parts: AppParts): Response {
  // Nobody would ever read the stream of an answer that has no body.
  if (context.req.method !== 'GET') throw new Refusal(405, 'NO_STREAM', 'A stream can only be read with GET')
  const viewer = viewers.add(context.get('session').id)
  if (viewer === undefined) throw new Refusal(503, 'TOO_MANY_PAGES', 'Too many open pages: close some')
  // HAProxy passes it on as it comes; other proxies want to be asked.
  context.header('x-accel-buffering', 'no')
  return streamSSE(context, async (out) => {
    out.onAbort(() => viewers.remove(viewer))
    const ping = setInterval(() => {
      sessionOf(context, parts).then(
        (session) => (session === undefined ? viewer.end() : viewer.push({ event: 'ping', data: '' })),
        () => viewer.end(),
      )
    }, PING_MS)
    try {
      while (!viewer.over && !out.aborted) {
        for (const message of await viewer.take()) await out.writeSSE(message)
      }
    } finally {
      clearInterval(ping)
      viewers.remove(viewer)
    }
  })
}

function refuse(error: Error, context: Context): Response {
  if (error instanceof Refusal) return context.json({ error: error.code, message: error.message }, error.status)
  if (error instanceof OptionsError) return context.json({ error: error.code, message: error.message }, 400)
  if (error instanceof WarrenError) return context.json({ error: error.code, message: error.message }, 502)
  if (error instanceof LauncherError) {
    return context.json(
      { error: 'LAUNCHER', message: error.message },
      error.status === 404 ? 404 : error.status === 409 ? 409 : 502,
    )
  }
  // Nobody wrote this text for people: it may quote anything. The stack alone, since fields may hold addresses.
  process.stderr.write(`${context.req.method} ${context.req.path}: ${error.stack ?? textOf(error)}\n`)
  return context.json({ error: 'FAILED', message: 'The console failed on this request; see its log' }, 500)
}

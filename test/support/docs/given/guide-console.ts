import type { IncomingMessage, ServerResponse } from 'node:http'
import type { MountedConsole } from '../../../../console/index.js'

export declare const warrenConsole: MountedConsole
export declare function userOf(cookie: string | null): Promise<{ name: string; isAdmin: boolean } | undefined>

/** What the page uses of hono's, Express' and Fastify's applications. */
interface Scope {
  removeAllContentTypeParsers(): void
  addContentTypeParser(
    type: string,
    parse: (request: unknown, payload: unknown, done: (error: null) => void) => void,
  ): void
  all(
    path: string,
    handle: (request: { raw: IncomingMessage }, reply: { raw: ServerResponse; hijack(): void }) => void,
  ): void
}
export declare const app: {
  all(path: string, handle: (context: { req: { raw: Request } }) => Response | Promise<Response>): void
  use(path: string, listener: (request: IncomingMessage, response: ServerResponse) => void): void
  register(plugin: (scope: Scope) => Promise<void>, options: { prefix: string }): void
}

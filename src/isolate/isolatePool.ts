/**
 * The isolates of a worker: started when an attempt needs one, reused, and ended after a minute without work or when the worker
 * stops. There are never more busy isolates than the worker's concurrency, apart from those that are being ended after a time
 * limit, so nothing ever waits for one here.
 */
import { statSync } from 'node:fs'
import { fileURLToPath as toPath } from 'node:url'
import { OptionsError } from '../errors/index.js'
import { memberOf } from '../kinds.js'
import { checkOptions, is } from '../options.js'
import type { AttemptContext, Handler } from '../task/handler.js'
import { startTimer } from '../timers.js'
import { Isolate, type Isolation, isolateEntry } from './isolate.js'
import type { Job } from './protocol.js'
import { activeTrace } from './trace.js'

/** A handler in a separate module that runs outside the worker's event loop. */
export interface IsolatedHandler {
  /** `new URL('./resize.js', import.meta.url)`: the compiled file; the module should contain only the handler. */
  readonly module: URL | string
  /** The name of the exported handler. Default `default`. */
  readonly export?: string
  /**
   * `thread`: starts fast, and shares the process; a native crash ends the worker. `process`: more memory and a slower start,
   * but the worker survives any failure.
   */
  readonly isolation: Isolation
}

/** The module and settings from which an isolate is started. */
interface Kind {
  readonly isolation: Isolation
  readonly entry: URL
}

const BUNDLED =
  'handlers in threads and processes need files of Warren that a bundle does not have. Leave warren out of the bundle ' +
  '(esbuild: --external:warren) and install it next to the bundle, or run this handler in the worker itself'

/** How long an isolate may be idle. */
const IDLE_MS = 60_000
/** How long `close` waits for handlers to end before it ends them. */
const CLOSE_LIMIT_MS = 5_000

export class IsolatePool {
  readonly #all = new Set<Isolate>()
  /** Each with the timer that ends it. The most recently used is reused first, so that the others can time out. */
  readonly #idle = new Map<Isolate, NodeJS.Timeout>()
  #closing = false

  /** The handler that runs `isolated` for each attempt. Throws `OptionsError`. */
  handler(task: string, isolated: IsolatedHandler): Handler {
    const where = `worker.handle(${task})`
    checkOptions(
      where,
      isolated,
      {
        module: (value) =>
          typeof value === 'string' || typeof memberOf(value, 'href') === 'string'
            ? undefined
            : 'a file: URL, such as new URL("./resize.js", import.meta.url)',
        export: is.text,
        isolation: is.oneOf('thread', 'process'),
      },
      ['module', 'isolation'],
    )
    const { isolation } = isolated
    const entry = isolateEntry()
    if (entry === undefined) throw new OptionsError(where, [BUNDLED])
    const module = moduleHref(where, isolated.module, isolation)
    const exportName = isolated.export ?? 'default'
    return (input, attempt) => {
      const { id, task, number, redelivered, fence } = attempt
      return this.#run(
        { isolation, entry },
        { module, exportName, input, attempt: { id, task, number, redelivered, fence }, ...activeTrace() },
        attempt,
      )
    }
  }

  async #run(kind: Kind, job: Job, attempt: AttemptContext): Promise<unknown> {
    attempt.signal.throwIfAborted()
    const used = this.#take(kind)
    if (used === undefined) return this.#runIn(this.#start(kind), job, attempt)
    try {
      return await this.#runIn(used, job, attempt)
    } catch (error) {
      // It died because of an earlier attempt; this one has not begun and must not be counted as failed.
      if (!used.unstarted || attempt.signal.aborted) throw error
      return this.#runIn(this.#start(kind), job, attempt)
    }
  }

  async #runIn(isolate: Isolate, job: Job, attempt: AttemptContext): Promise<unknown> {
    try {
      return await isolate.run(job, attempt)
    } finally {
      this.#release(isolate)
    }
  }

  #take({ isolation }: Kind): Isolate | undefined {
    const isolate = [...this.#idle.keys()].findLast((each) => each.isolation === isolation)
    if (isolate === undefined) return undefined
    clearTimeout(this.#idle.get(isolate))
    this.#idle.delete(isolate)
    return isolate
  }

  #start({ isolation, entry }: Kind): Isolate {
    const isolate = new Isolate(isolation, entry)
    this.#all.add(isolate)
    void isolate.gone.then(() => {
      clearTimeout(this.#idle.get(isolate))
      this.#idle.delete(isolate)
      this.#all.delete(isolate)
    })
    return isolate
  }

  #release(isolate: Isolate): void {
    if (isolate.dead) return
    if (this.#closing) isolate.kill()
    else
      this.#idle.set(
        isolate,
        setTimeout(() => isolate.kill(), IDLE_MS),
      )
  }

  /** Ends idle isolates, and the others as soon as their handlers end or are killed. Call it once all attempts are aborted. */
  async close(): Promise<void> {
    this.#closing = true
    for (const isolate of this.#idle.keys()) isolate.kill()
    const all = [...this.#all]
    const gone = Promise.all(all.map((isolate) => isolate.gone))
    // One whose attempt was never aborted ends all the same.
    const cancel = startTimer(CLOSE_LIMIT_MS, () => {
      for (const isolate of all) isolate.kill()
    })
    await gone.finally(cancel)
  }
}

/** Reports problems when `handle` is called that would otherwise fail every attempt. */
function moduleHref(where: string, module: URL | string, isolation: Isolation): string {
  const problem = (what: string): OptionsError => new OptionsError(where, [`expected \`module\` to be ${what}`])
  const url = URL.canParse(String(module)) ? new URL(module) : undefined
  if (url?.protocol !== 'file:') throw problem(`a file: URL, got: ${module}`)
  const path = toPath(url)
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) throw problem(`a file that exists, got: ${path}`)
  const remedy = loadable(path, isolation, process)
  if (remedy !== undefined) throw problem(`a file that Node can load in a ${isolation}, got: ${path}. ${remedy}`)
  return url.href
}

const TYPESCRIPT = /\.([cm]?ts|[cm]?tsx|jsx)$/
const LOADS_FIRST = /(^|\s)(--import|--require|-r|--loader|--experimental-loader)(=|\s|$)/

/**
 * The remedy for a file that would fail every attempt; undefined for a file that Node can load. Loaders such as tsx apply to
 * child processes, which are started with the same arguments, but not to threads.
 */
export function loadable(
  path: string,
  isolation: Isolation,
  { features, execArgv, env }: Pick<NodeJS.Process, 'features' | 'execArgv' | 'env'>,
): string | undefined {
  if (!TYPESCRIPT.test(path)) return undefined
  // Node 22.18 and later loads TypeScript itself; that has no JSX.
  if (memberOf(features, 'typescript') && !/x$/.test(path)) return undefined
  const loaded = LOADS_FIRST.test(`${execArgv.join(' ')} ${env.NODE_OPTIONS ?? ''}`)
  if (isolation === 'process' && loaded) return undefined
  const build = 'Compile it, and pass the .js file'
  return isolation === 'thread' && loaded
    ? `A loader such as tsx does not apply to threads. ${build}; or use isolation 'process'`
    : `${build}; or start the worker with a loader such as tsx (node --import tsx), and use isolation 'process'`
}

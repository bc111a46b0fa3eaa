/** Reads task definitions from a user's modules, for `--module` of `warren definitions` and `warren doctor`. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Retention, textOf } from 'warren'
import { Failure } from './failure.js'

/** How long the import of a module may take. */
const IMPORT_LIMIT_MS = 30_000

/** The parts of a task that its topology and its checks need. */
interface FoundTask {
  readonly name: string
  readonly queue: { readonly type: 'classic' | 'quorum' }
  readonly timeoutMs?: number | undefined
}

export interface ModuleTasks {
  readonly tasks: readonly FoundTask[]
  /** By task name, from the export `retention`. */
  readonly retention: Readonly<Record<string, Retention>>
}

/** Imports the files and collects every task that they export, singly or in lists and objects. */
export async function readModuleTasks(files: readonly string[]): Promise<ModuleTasks> {
  const tasks = new Map<string, FoundTask>()
  const retention: Record<string, Retention> = {}
  for (const file of files) {
    const exported = await load(file)
    const found = [...tasksIn(exported)]
    if (found.length === 0) {
      const names = Object.keys(exported)
      const has = names.length === 0 ? 'exports nothing' : `exports ${names.join(', ')}, none of which is a task`
      throw new Failure(`${file} ${has}: export the return value of defineTask()`, { exitCode: 2 })
    }
    for (const task of found) tasks.set(task.name, task)
    if (exported.retention !== undefined) Object.assign(retention, checkRetention(file, exported.retention))
  }
  const strangers = Object.keys(retention).filter((name) => !tasks.has(name))
  if (strangers.length > 0) {
    const known = [...tasks.keys()].join(', ')
    throw new Failure(`The export retention names ${strangers.join(', ')}, expected names of tasks: ${known}`, {
      exitCode: 2,
    })
  }
  return { tasks: [...tasks.values()], retention }
}

function checkRetention(file: string, given: unknown): Record<string, Retention> {
  const isCount = (value: unknown) => value === undefined || (Number.isInteger(value) && Number(value) > 0)
  const fits = (each: unknown): boolean => {
    if (each === null || typeof each !== 'object') return false
    const { ttlMs, deliveryLimit, ...others } = each as Record<string, unknown>
    return isCount(ttlMs) && isCount(deliveryLimit) && Object.keys(others).length === 0
  }
  if (given !== null && typeof given === 'object' && Object.values(given).every(fits)) {
    return given as Record<string, Retention>
  }
  throw new Failure(
    `The export retention of ${file} is ${JSON.stringify(given)}, expected { '<task>': { ttlMs, deliveryLimit } } with whole numbers`,
    { exitCode: 2 },
  )
}

async function load(file: string): Promise<Record<string, unknown>> {
  const path = resolve(file)
  if (!existsSync(path)) {
    throw new Failure(`No file is at ${path}: expected a module that exports tasks, such as dist/tasks.js`, {
      exitCode: 2,
    })
  }
  try {
    return await withinLimit(import(pathToFileURL(path).href) as Promise<Record<string, unknown>>, path)
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    const typescript = /\.[cm]?tsx?$/.test(path)
    const remedy = typescript ? ': compile it and name the JavaScript file, or run the command under a loader' : ''
    throw new Failure(`${path} cannot be imported (${textOf(cause)})${remedy}`, { cause })
  }
}

/** A module's top-level await may never finish. */
async function withinLimit<T>(importing: Promise<T>, path: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const remedy = 'export the tasks from a module that connects to nothing when it is imported'
      reject(new Failure(`${path} was not imported within ${IMPORT_LIMIT_MS / 1000} s: ${remedy}`))
    }, IMPORT_LIMIT_MS)
  })
  try {
    return await Promise.race([importing, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Recognised by shape, because the module may use its own copy of Warren. */
function* tasksIn(value: unknown, depth = 0): Generator<FoundTask> {
  if (value === null || typeof value !== 'object' || depth > 2) return
  if (isTask(value)) yield value
  else for (const each of Object.values(value)) yield* tasksIn(each, depth + 1)
}

function isTask(value: object): value is FoundTask {
  const { name, queue, input } = value as { name?: unknown; queue?: { type?: unknown }; input?: unknown }
  if (typeof name !== 'string' || typeof queue !== 'object' || input === undefined) return false
  return queue?.type === 'classic' || queue?.type === 'quorum'
}

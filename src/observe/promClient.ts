/** Loads `prom-client`, which is optional: producers, and workers without metrics, do not need it. */
import { MissingPackageError, textOf } from '../errors/index.js'

/** Loaded on demand: it takes a fifth of the time of loading Warren. */
export function loadPromClient(where = 'workerMetrics'): typeof import('prom-client') {
  try {
    // Not imported by name: the banner that adds `require` to a bundle also imports `createRequire`, and the names would
    // collide.
    return process.getBuiltinModule('node:module').createRequire(importer())('prom-client')
  } catch (error) {
    if (!textOf(error).startsWith("Cannot find module 'prom-client'")) throw error
    throw new MissingPackageError(where, 'prom-client', error)
  }
}

/**
 * The starting point for finding `node_modules`. A CommonJS bundle has no `import.meta.url`, so it uses the program's folder.
 */
const importer = (): string => import.meta.url ?? process.argv[1] ?? `${process.cwd()}/index.js`

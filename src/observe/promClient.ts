/** Loads `prom-client`, which is optional: producers, and workers without metrics, do without it. */
import { MissingPackageError, textOf } from '../errors/index.js'

/** Loaded when it is asked for: it takes a fifth of the time that loading Warren takes. */
export function loadPromClient(): typeof import('prom-client') {
  try {
    // Not imported: the banner by which a bundle gets its `require` imports `createRequire`, too, and the names would collide.
    return process.getBuiltinModule('node:module').createRequire(importer())('prom-client')
  } catch (error) {
    if (!textOf(error).startsWith("Cannot find module 'prom-client'")) throw error
    throw new MissingPackageError('workerMetrics', 'prom-client', error)
  }
}

/** Where `node_modules` is looked for. A bundle in CommonJS has no `import.meta.url`: there it is beside the program. */
const importer = (): string => import.meta.url ?? process.argv[1] ?? `${process.cwd()}/index.js`

/** The page's files: read once, since they are few and small, and served from memory under their names. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

export interface PageFile {
  readonly type: string
  readonly body: Uint8Array<ArrayBuffer>
  /** The body in gzip. */
  readonly zipped: Uint8Array<ArrayBuffer>
  readonly etag: string
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** By path: `/` and `/style.css`, and the chart library's two files under `/lib/`. */
export function pageFiles(): ReadonlyMap<string, PageFile> {
  return new Map(pagePaths().map(([path, file]) => [path, read(file)]))
}

/** Where each path of the page is on the disk. */
function pagePaths(): [string, string][] {
  const folder = pageFolder()
  const require = createRequire(import.meta.url)
  const charts = dirname(require.resolve('uplot'))
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => extname(name) in TYPES)
    .map((name): [string, string] => [name === 'index.html' ? '/' : `/${name}`, join(folder, name)])
  return [
    ...files,
    ['/lib/uPlot.esm.js', join(charts, 'uPlot.esm.js')],
    ['/lib/uPlot.min.css', join(charts, 'uPlot.min.css')],
  ]
}

/**
 * The page for one of its own addresses: what it asks for is relative to its root, which `<base>` says, whatever prefix a
 * proxy puts before it.
 */
export function shellFor(path: string): PageFile {
  const up = Math.max(0, path.split('/').length - 2)
  const known = shells.get(up)
  if (known !== undefined) return known
  const html = readFileSync(join(pageFolder(), 'index.html'), 'utf8')
  const based = html.replace('<base href="./">', `<base href="${'../'.repeat(up) || './'}">`)
  const shell = fileOf('.html', Buffer.from(based.replace('  <script type="module"', `${preloads()}$&`)))
  // No view has a longer path; somebody may ask for one all the same.
  if (up <= MAX_DEPTH) shells.set(up, shell)
  return shell
}

/** The modules are asked for together, and not each after the one that imports it. */
function preloads(): string {
  preloading ??= pagePaths()
    .filter(([path]) => path.endsWith('.js'))
    .map(([path]) => `  <link rel="modulepreload" href="${path.slice(1)}">\n`)
    .join('')
  return preloading
}
let preloading: string | undefined

const MAX_DEPTH = 4
const shells = new Map<number, PageFile>()

const read = (file: string): PageFile => fileOf(extname(file), readFileSync(file))

function fileOf(extension: string, content: Buffer): PageFile {
  const body = new Uint8Array(content)
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
  const zipped = new Uint8Array(gzipSync(body, { level: 9 }))
  return { type: TYPES[extension] ?? 'application/octet-stream', body, zipped, etag }
}

/** It needs no build, so that it is not in `dist`: it stands in the package's own `console/page`. */
function pageFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url))
  const found = [join(here, 'page'), join(here, '../../console/page')].find((each) =>
    existsSync(join(each, 'index.html')),
  )
  if (found === undefined) throw new Error(`The console's page is missing: there is no page/index.html near ${here}`)
  return found
}

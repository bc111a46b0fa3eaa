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
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** By path, as `/style.css`; the chart library's two files are under `/lib/`. The page itself is {@link shellFor}'s. */
export function pageFiles(): ReadonlyMap<string, PageFile> {
  files ??= new Map(pagePaths().map(([path, file]) => [path, read(file)]))
  return files
}
let files: ReadonlyMap<string, PageFile> | undefined

/**
 * Stands for all of the files as they are: in the addresses by which the page asks for them, so that a browser may keep them
 * and asks again only after they have changed.
 */
export function pageVersion(): string {
  const etags = [...pageFiles()].flatMap(([path, { etag }]) => [path, etag])
  version ??= createHash('sha256').update(etags.join()).digest('base64url').slice(0, 12)
  return version
}
let version: string | undefined

/** Where each path of the page is on the disk. */
function pagePaths(): [string, string][] {
  const folder = pageFolder()
  const require = createRequire(import.meta.url)
  const charts = dirname(require.resolve('uplot'))
  return [
    ...readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => extname(name) in TYPES)
      .map((name): [string, string] => [`/${name}`, join(folder, name)]),
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
  const html = readFileSync(join(pageFolder(), SHELL), 'utf8')
    .replace('<base href="./">', `<base href="${'../'.repeat(up) || './'}">`)
    .replaceAll(/(?<=<(?:link|script) .*(?:href|src)=")/g, `v/${pageVersion()}/`)
  const shell = fileOf('.html', Buffer.from(html.replace('  <script type="module"', `${preloads()}$&`)))
  // No view has a longer path; somebody may ask for one all the same.
  if (up <= MAX_DEPTH) shells.set(up, shell)
  return shell
}

/** The modules are asked for together, and not each after the one that imports it. */
function preloads(): string {
  return [...pageFiles().keys()]
    .filter((path) => path.endsWith('.js'))
    .map((path) => `  <link rel="modulepreload" href="v/${pageVersion()}${path}">\n`)
    .join('')
}

const SHELL = 'index.html'
const MAX_DEPTH = 4
const shells = new Map<number, PageFile>()

const read = (file: string): PageFile => fileOf(extname(file), readFileSync(file))

function fileOf(extension: string, content: Buffer): PageFile {
  const body = new Uint8Array(content)
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
  const zipped = new Uint8Array(gzipSync(body, { level: 9 }))
  return { type: TYPES[extension] ?? 'text/html; charset=utf-8', body, zipped, etag }
}

/** It needs no build, so that it is not in `dist`: it stands in the package's own `console/page`. */
function pageFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url))
  const found = [join(here, 'page'), join(here, '../../console/page')].find((each) => existsSync(join(each, SHELL)))
  if (found === undefined) throw new Error(`The console's page is missing: there is no page/index.html near ${here}`)
  return found
}

/** The cluster's folder: where each part keeps its files. Everything the cluster writes is in here. */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A unix socket's path has room for 108 bytes, the closing zero included. */
const MAX_SOCKET_PATH = 107

export class Folder {
  readonly path: string

  constructor(path: string) {
    this.path = resolve(path)
  }

  /** Process names are checked before they get here: they never hold a slash. */
  log = (name: string): string => join(this.path, 'logs', `${name}.log`)
  pidFile = (name: string): string => join(this.path, 'run', `${name}.json`)
  get runFolder(): string {
    return join(this.path, 'run')
  }
  get lock(): string {
    return join(this.path, 'launcher.json')
  }
  /** What one server owns: its data and its generated configuration. */
  of = (name: string, ...more: string[]): string => join(this.path, name, ...more)
  /** HOME of all Erlang processes. */
  get erlangHome(): string {
    return join(this.path, 'erlang')
  }
  /** How Erlang looks up names: `localhost` without asking the system, which in a bare container does not know it. */
  get erlangLookup(): string {
    return join(this.erlangHome, 'inetrc')
  }
  /** Written once the three nodes were one cluster with everything in place; without it their data is worth nothing. */
  get formedMark(): string {
    return join(this.path, 'cluster-formed')
  }

  /** The control socket: in the folder, or where its path is too long, in the folder for temporary files. */
  get controlSocket(): string {
    const inside = join(this.path, 'control.sock')
    if (Buffer.byteLength(inside) <= MAX_SOCKET_PATH) return inside
    const hash = createHash('sha256').update(this.path).digest('hex').slice(0, 12)
    return join(tmpdir(), `warren-${userInfo().uid}-${hash}.sock`)
  }

  /** Creates what every start needs. The folder is its owner's alone: it holds the cookie and the control socket. */
  prepare(): void {
    mkdirSync(this.path, { recursive: true, mode: 0o700 })
    for (const each of [join(this.path, 'logs'), this.runFolder, this.erlangHome]) mkdirSync(each, { recursive: true })
    writeFileSync(this.erlangLookup, '{lookup, [file, native]}.\n{host, {127,0,0,1}, ["localhost"]}.\n')
    const cookie = join(this.erlangHome, '.erlang.cookie')
    // Erlang refuses a cookie that others may read.
    if (!existsSync(cookie)) writeFileSync(cookie, randomBytes(24).toString('hex'), { mode: 0o400 })
  }
}

/** The repository's root, from the sources as well as from `dist`. */
export function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error(`No package.json above ${fileURLToPath(import.meta.url)}`)
    folder = parent
  }
  return folder
}

/** A committed file that the local cluster shares with docker compose. */
export const configFile = (...path: string[]): string => join(repositoryRoot(), 'config', ...path)

/**
 * Follows the ledgers that the worker processes write, while they write them. It remembers how far it has read in each
 * file, and reads whole lines only: what a kill tore apart stays unread.
 */
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { LedgerLine } from '../demo/ledger.js'

const POLL_MS = 200
const CHUNK_BYTES = 1024 * 1024

export class WorkerLedgers {
  readonly #folder: string
  readonly #offsets = new Map<string, number>()
  readonly #buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  #listener: (line: LedgerLine) => void = () => {}
  #timer: NodeJS.Timeout | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  /** From now on `listener` gets every line; what was written before goes to the listener of that time. */
  follow(listener: (line: LedgerLine) => void): void {
    this.read()
    this.#listener = listener
    this.#timer ??= setInterval(() => this.read(), POLL_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#listener = () => {}
  }

  /** Reads on to the end of every file. */
  read(): void {
    if (!existsSync(this.#folder)) return
    for (const name of readdirSync(this.#folder)) if (name.endsWith('.ndjson')) this.#readFile(name)
  }

  #readFile(name: string): void {
    const file = openSync(join(this.#folder, name), 'r')
    try {
      const { size } = fstatSync(file)
      let offset = this.#offsets.get(name) ?? 0
      while (offset < size) {
        const bytes = readSync(file, this.#buffer, 0, CHUNK_BYTES, offset)
        const end = this.#buffer.subarray(0, bytes).lastIndexOf(0x0a) + 1
        if (end === 0) break
        for (const text of this.#buffer.toString('utf8', 0, end).split('\n')) this.#take(text)
        offset += end
      }
      this.#offsets.set(name, offset)
    } finally {
      closeSync(file)
    }
  }

  #take(text: string): void {
    if (text === '') return
    let line: LedgerLine
    try {
      line = JSON.parse(text) as LedgerLine
    } catch {
      return
    }
    this.#listener(line)
  }
}

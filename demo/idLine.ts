/**
 * A line of task ids, first in, first out, each with the time it was first added. Ids are UUIDs and take 24 bytes each,
 * outside the JavaScript heap: a million of them wait in 24 MB and cost the garbage collector nothing.
 */
const ENTRY_BYTES = 24
const CHUNK_ENTRIES = 4_096

export interface LineEntry {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly addedAt: number
}

export class IdLine {
  readonly #chunks: Buffer[] = []
  /** Entries read from the first chunk, and written to the last one. */
  #read = 0
  #written = CHUNK_ENTRIES
  #size = 0

  get size(): number {
    return this.#size
  }

  push({ id, addedAt }: LineEntry): void {
    if (this.#written === CHUNK_ENTRIES) {
      this.#chunks.push(Buffer.allocUnsafeSlow(ENTRY_BYTES * CHUNK_ENTRIES))
      this.#written = 0
    }
    const chunk = this.#chunks.at(-1) as Buffer
    const at = ENTRY_BYTES * this.#written++
    const written = chunk.write(id.replaceAll('-', ''), at, 16, 'hex')
    if (written !== 16) throw new TypeError(`Expected a UUID, got: ${id}`)
    chunk.writeDoubleBE(addedAt, at + 16)
    this.#size++
  }

  shift(): LineEntry | undefined {
    const chunk = this.#chunks[0]
    if (this.#size === 0 || chunk === undefined) return undefined
    const at = ENTRY_BYTES * this.#read++
    const hex = chunk.toString('hex', at, at + 16)
    const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
    const addedAt = chunk.readDoubleBE(at + 16)
    this.#size--
    if (this.#read === CHUNK_ENTRIES) {
      this.#chunks.shift()
      this.#read = 0
    }
    return { id, addedAt }
  }
}

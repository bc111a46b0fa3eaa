/** The values and replies of the in-memory store. */

export type Reply = string | number | null | { readonly ok: string } | readonly Reply[]

/** A hash, or a sorted set by member; a set; a stream; a text. */
export interface Entry {
  readonly value: string | Map<string, string> | Set<string> | Stream
  endsAt: number
}

/** A store's error reply. */
export class StoreFailure extends Error {
  override readonly name = 'ReplyError'
}

interface Item {
  readonly id: string
  readonly fields: readonly string[]
}

export class Stream {
  #items: Item[] = []

  get length(): number {
    return this.#items.length
  }

  /** `[MAXLEN n] id field value …`. Returns the id. */
  add(given: readonly string[]): string {
    const [option = '', kept, ...rest] = given
    const bounded = option.toUpperCase() === 'MAXLEN'
    const [id = '', ...fields] = bounded ? rest : given
    const last = this.#items.at(-1)
    if (last !== undefined && compare(id, last.id) <= 0) {
      throw new StoreFailure('ERR The ID specified in XADD is equal or smaller than the target stream top item')
    }
    this.#items.push({ id, fields })
    if (bounded) this.#items = this.#items.slice(-Number(kept))
    return id
  }

  /** `MINID [~] id`. Returns how many went. */
  trim(given: readonly string[]): number {
    const before = this.#items.length
    this.#items = this.#items.filter(({ id }) => isAfter(id, given.at(-1) ?? '-'))
    return before - this.#items.length
  }

  range(from: string, to: string, options: readonly string[], backwards = false): Reply {
    const within = this.#items.filter(({ id }) => isAfter(id, from) && isBefore(id, to))
    const at = options.findIndex((option) => option.toUpperCase() === 'COUNT')
    const ordered = backwards ? within.reverse() : within
    return ordered.slice(0, at < 0 ? undefined : Number(options[at + 1])).map(({ id, fields }) => [id, fields])
  }
}

/** An id is `milliseconds-number`; the number may be left out. */
function compare(one: string, other: string): number {
  const [a = 0, b = 0] = one.split('-').map(Number)
  const [c = 0, d = 0] = other.split('-').map(Number)
  return a - c || b - d
}

const isAfter = (id: string, from: string): boolean =>
  from === '-' || (from.startsWith('(') ? compare(id, from.slice(1)) > 0 : compare(id, from) >= 0)

const isBefore = (id: string, to: string): boolean =>
  to === '+' ||
  (to.startsWith('(') ? compare(id, to.slice(1)) < 0 : compare(id, to.includes('-') ? to : `${to}-Infinity`) <= 0)

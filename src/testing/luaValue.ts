/** The values of Lua, and how it makes numbers and texts of each other. */

export type LuaValue = string | number | boolean | undefined | LuaTable | LuaFunction
export type LuaFunction = (...given: LuaValue[]) => readonly LuaValue[]

export class LuaError extends Error {
  override readonly name = 'LuaError'
}

export class LuaTable {
  readonly #fields = new Map<LuaValue, LuaValue>()

  static of(values: readonly LuaValue[]): LuaTable {
    const table = new LuaTable()
    values.forEach((value, index) => {
      table.set(index + 1, value)
    })
    return table
  }

  static record(fields: Readonly<Record<string, LuaValue>>): LuaTable {
    const table = new LuaTable()
    for (const [key, value] of Object.entries(fields)) table.set(key, value)
    return table
  }

  get(key: LuaValue): LuaValue {
    return this.#fields.get(key)
  }

  set(key: LuaValue, value: LuaValue): void {
    if (value === undefined) this.#fields.delete(key)
    else this.#fields.set(key, value)
  }

  get length(): number {
    let length = 0
    while (this.#fields.has(length + 1)) length++
    return length
  }

  /** Its values from 1 up to the first that is missing. */
  list(): LuaValue[] {
    return Array.from({ length: this.length }, (_, index) => this.#fields.get(index + 1))
  }

  entries(): [LuaValue, LuaValue][] {
    return [...this.#fields]
  }
}

/** A number, or a text that is one: Lua converts. Throws `LuaError`. */
export function number(of: LuaValue): number {
  const converted = typeof of === 'string' && of.trim() !== '' ? Number(of) : of
  if (typeof converted === 'number' && !Number.isNaN(converted)) return converted
  throw new LuaError(`expected a number, got: ${typeof of}`)
}

/** A text, or a number as Lua writes it. Throws `LuaError`. */
export function text(of: LuaValue): string {
  if (typeof of === 'string') return of
  // Lua 5.1 writes 14 digits.
  if (typeof of === 'number')
    return Number.isInteger(of) && Math.abs(of) < 1e14 ? String(of) : String(Number(of.toPrecision(14)))
  throw new LuaError(`expected a text, got: ${typeof of}`)
}

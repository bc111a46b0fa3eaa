/** The functions of Lua that scripts may call in a store, apart from `redis.call`. Texts are cut by characters, not bytes. */
import { type LuaFunction, LuaTable, type LuaValue, number, text } from './luaValue.js'

/** A Lua pattern as a regular expression; `sticky` for one that begins with `^`. */
function patternOf(pattern: string): RegExp {
  let source = ''
  let inSet = false
  for (let at = 0; at < pattern.length; at++) {
    const each = pattern.charAt(at)
    if (each === '%') {
      const next = pattern.charAt(++at)
      source += CLASSES[next] ?? `\\${next}`
    } else if (inSet) {
      if (each === ']') inSet = false
      source += each === '\\' ? '\\\\' : each
    } else if (each === '[') {
      inSet = true
      source += each
    } else if (each === '-' && at > 0 && pattern.charAt(at - 1) !== ')') source += '*?'
    else if (each === '.') source += '[\\s\\S]'
    else if (each === '^' ? at > 0 : each === '$' ? at < pattern.length - 1 : '{}|/\\'.includes(each))
      source += `\\${each}`
    else source += each
  }
  return new RegExp(source)
}

const CLASSES: Readonly<Record<string, string>> = {
  d: '\\d',
  s: '\\s',
  w: '[A-Za-z\\d]',
  a: '[A-Za-z]',
  x: '[\\da-fA-F]',
}

const patterns = new Map<string, RegExp>()
function compiled(pattern: LuaValue): RegExp {
  const given = text(pattern)
  const known = patterns.get(given) ?? patternOf(given)
  patterns.set(given, known)
  return known
}

/** Where Lua's positions, from 1 or from the end, are in JavaScript. */
const position = (at: number, length: number): number => (at < 0 ? Math.max(0, length + at) : Math.max(0, at - 1))

function format(given: LuaValue, ...values: LuaValue[]): readonly LuaValue[] {
  let next = 0
  return [
    text(given).replaceAll(/%(?:%|(?:\.(\d+))?([dfsgi]))/g, (all, digits: string | undefined, kind: string) => {
      if (all === '%%') return '%'
      const each = values[next++]
      if (kind === 's') return typeof each === 'boolean' || each === undefined ? String(each ?? 'nil') : text(each)
      if (kind === 'd' || kind === 'i') return String(Math.trunc(number(each)))
      return kind === 'g'
        ? String(Number(number(each).toPrecision(Number(digits ?? 6))))
        : number(each).toFixed(Number(digits ?? 6))
    }),
  ]
}

const strings: Readonly<Record<string, LuaFunction>> = {
  match: (of, pattern) => {
    const match = compiled(pattern).exec(text(of))
    return match === null ? [undefined] : match.length === 1 ? [match[0]] : match.slice(1)
  },
  find: (of, pattern, from = 1, plain = false) => {
    const whole = text(of)
    const start = position(number(from), whole.length)
    if (plain === true) {
      const at = whole.indexOf(text(pattern), start)
      return at < 0 ? [undefined] : [at + 1, at + text(pattern).length]
    }
    const match = compiled(pattern).exec(whole.slice(start))
    return match === null ? [undefined] : [start + match.index + 1, start + match.index + match[0].length]
  },
  sub: (of, from, to = -1) => {
    const whole = text(of)
    const end = number(to)
    return [whole.slice(position(number(from), whole.length), end < 0 ? whole.length + end + 1 : end)]
  },
  gsub: (of, pattern, by) => {
    const all = new RegExp(compiled(pattern).source, 'g')
    return [text(of).replaceAll(all, () => text(by))]
  },
  format,
  len: (of) => [Buffer.byteLength(text(of))],
  lower: (of) => [text(of).toLowerCase()],
  upper: (of) => [text(of).toUpperCase()],
  rep: (of, times) => [text(of).repeat(Math.max(0, number(times)))],
}

const maths: Readonly<Record<string, LuaValue>> = {
  max: (...given) => [Math.max(...given.map(number))],
  min: (...given) => [Math.min(...given.map(number))],
  floor: (of) => [Math.floor(number(of))],
  ceil: (of) => [Math.ceil(number(of))],
  abs: (of) => [Math.abs(number(of))],
  huge: Number.POSITIVE_INFINITY,
}

const tables: Readonly<Record<string, LuaFunction>> = {
  insert: (table, ...given) => {
    const of = tableIn(table)
    if (given.length === 1) of.set(of.length + 1, given[0])
    else {
      const [at, value] = [number(given[0]), given[1]]
      for (let index = of.length; index >= at; index--) of.set(index + 1, of.get(index))
      of.set(at, value)
    }
    return []
  },
  remove: (table, at = tableIn(table).length) => {
    const of = tableIn(table)
    const removed = of.get(at)
    for (let index = number(at), { length } = of; index <= length; index++) of.set(index, of.get(index + 1))
    return [removed]
  },
  concat: (table, between = '') => [tableIn(table).list().map(text).join(text(between))],
  sort: (table) => {
    const of = tableIn(table)
    const sorted = of.list().sort((a, b) => (typeof a === 'number' ? a - number(b) : text(a) < text(b) ? -1 : 1))
    sorted.forEach((value, index) => {
      of.set(index + 1, value)
    })
    return []
  },
}

const unpack: LuaFunction = (table, from = 1, to = tableIn(table).length) => {
  const values: LuaValue[] = []
  for (let at = number(from); at <= number(to); at++) values.push(tableIn(table).get(at))
  return values
}

function tableIn(value: LuaValue): LuaTable {
  if (value instanceof LuaTable) return value
  throw new TypeError(`expected a table, got: ${typeof value}`)
}

const entriesOf = (entries: readonly (readonly [LuaValue, LuaValue])[]): readonly LuaValue[] => [
  LuaTable.of(entries.map((entry) => LuaTable.of(entry))),
]

function typeOf(of: LuaValue): string {
  if (of === undefined) return 'nil'
  return of instanceof LuaTable ? 'table' : typeof of
}

/** What a script finds beside `redis`, `KEYS` and `ARGV`. */
export const LIBRARY: Readonly<Record<string, LuaValue>> = {
  string: LuaTable.record(strings),
  math: LuaTable.record(maths),
  table: LuaTable.record({ ...tables, unpack }),
  unpack,
  ipairs: (table) =>
    entriesOf(
      tableIn(table)
        .list()
        .map((value, index) => [index + 1, value] as const),
    ),
  pairs: (table) => entriesOf(tableIn(table).entries()),
  tonumber: (of) => {
    if (typeof of === 'number') return [of]
    const converted = typeof of === 'string' && of.trim() !== '' ? Number(of) : Number.NaN
    return [Number.isNaN(converted) ? undefined : converted]
  },
  tostring: (of) => [typeof of === 'boolean' || of === undefined ? String(of ?? 'nil') : text(of)],
  type: (of) => [typeOf(of)],
}

/**
 * Runs Warren's Lua scripts without a store, so that the in-memory Warren of `warren/testing` behaves like Valkey: it runs the
 * same scripts. `luaParser.ts` says which Lua that is, `luaLibrary.ts` has its functions.
 */
import type { Block, Expression, Statement } from './luaParser.js'
import { LuaError, LuaTable, type LuaValue, number, text } from './luaValue.js'

class Scope {
  readonly #names = new Map<string, LuaValue>()
  readonly #outer: Scope | undefined

  constructor(outer?: Scope) {
    this.#outer = outer
  }

  declare(name: string, value: LuaValue): void {
    this.#names.set(name, value)
  }

  get(name: string): LuaValue {
    return this.#names.has(name) ? this.#names.get(name) : this.#outer?.get(name)
  }

  /** A name that is declared nowhere becomes a global. */
  set(name: string, value: LuaValue): void {
    if (this.#outer === undefined || this.#names.has(name)) this.#names.set(name, value)
    else this.#outer.set(name, value)
  }
}

/** How a block ended, unless it ran to its end. */
type Ended = { readonly values: readonly LuaValue[] } | 'break' | undefined

/** Runs a program with these globals, and returns what it returns. Throws `LuaError`. */
export function runLua(program: Block, globals: Readonly<Record<string, LuaValue>>): LuaValue {
  const scope = new Scope()
  for (const [name, value] of Object.entries(globals)) scope.declare(name, value)
  const ended = run(program, scope)
  return typeof ended === 'object' ? ended.values[0] : undefined
}

const truthy = (value: LuaValue): boolean => value !== undefined && value !== false

function run(block: Block, scope: Scope): Ended {
  for (const statement of block) {
    const ended = step(statement, scope)
    if (ended !== undefined) return ended
  }
  return undefined
}

function step(statement: Statement, scope: Scope): Ended {
  switch (statement.kind) {
    case 'local': {
      const values = all(statement.values, scope)
      statement.names.forEach((name, index) => {
        scope.declare(name, values[index])
      })
      return undefined
    }
    case 'localFunction':
      scope.declare(statement.name, undefined)
      scope.declare(statement.name, value(statement.made, scope))
      return undefined
    case 'assign': {
      const values = all(statement.values, scope)
      statement.targets.forEach((target, index) => {
        assign(target, values[index], scope)
      })
      return undefined
    }
    case 'call':
      values(statement.call, scope)
      return undefined
    case 'if':
      for (const { condition, body } of statement.cases) {
        if (truthy(value(condition, scope))) return run(body, new Scope(scope))
      }
      return statement.otherwise && run(statement.otherwise, new Scope(scope))
    case 'while':
      return loop(() => (truthy(value(statement.condition, scope)) ? new Scope(scope) : undefined), statement.body)
    case 'repeat':
      return repeat(statement.body, statement.until, scope)
    case 'count':
      return count(statement, scope)
    case 'each':
      return each(statement, scope)
    case 'block':
      return run(statement.body, new Scope(scope))
    case 'return':
      return { values: all(statement.values, scope) }
    case 'break':
      return 'break'
    default:
      return statement satisfies never
  }
}

/** Runs `body` for each scope that `next` makes. */
function loop(next: () => Scope | undefined, body: Block): Ended {
  for (let scope = next(); scope !== undefined; scope = next()) {
    const ended = run(body, scope)
    if (ended === 'break') return undefined
    if (ended !== undefined) return ended
  }
  return undefined
}

function repeat(body: Block, until: Expression, outer: Scope): Ended {
  for (;;) {
    const scope = new Scope(outer)
    const ended = run(body, scope)
    if (ended === 'break') return undefined
    if (ended !== undefined) return ended
    if (truthy(value(until, scope))) return undefined
  }
}

function count({ name, bounds, body }: Extract<Statement, { kind: 'count' }>, outer: Scope): Ended {
  const [from = 0, to = 0, by = 1] = bounds.map((bound) => number(value(bound, outer)))
  let at = from
  return loop(() => {
    if (by > 0 ? at > to : at < to) return undefined
    const scope = new Scope(outer)
    scope.declare(name, at)
    at += by
    return scope
  }, body)
}

/** Over what `ipairs` and `pairs` return: a table of entries. */
function each({ names, over, body }: Extract<Statement, { kind: 'each' }>, outer: Scope): Ended {
  const entries = value(over, outer)
  if (!(entries instanceof LuaTable)) throw new LuaError('expected a loop over ipairs or pairs')
  const waiting = entries.list()
  return loop(() => {
    const entry = waiting.shift()
    if (!(entry instanceof LuaTable)) return undefined
    const scope = new Scope(outer)
    names.forEach((name, index) => {
      scope.declare(name, entry.get(index + 1))
    })
    return scope
  }, body)
}

function assign(target: Expression, given: LuaValue, scope: Scope): void {
  if (target.kind === 'name') {
    scope.set(target.name, given)
    return
  }
  if (target.kind !== 'index') throw new LuaError(`expected a name or a field to assign to, got: ${target.kind}`)
  const table = value(target.of, scope)
  if (!(table instanceof LuaTable)) throw new LuaError(`expected a table to assign to, got: ${typeof table}`)
  table.set(value(target.key, scope), given)
}

/** The values of a list of expressions: the last may have several. */
function all(expressions: readonly Expression[], scope: Scope): LuaValue[] {
  return expressions.flatMap((each, index) =>
    index === expressions.length - 1 ? [...values(each, scope)] : [value(each, scope)],
  )
}

const value = (expression: Expression, scope: Scope): LuaValue =>
  expression.kind === 'call' || expression.kind === 'varargs' ? values(expression, scope)[0] : single(expression, scope)

function values(expression: Expression, scope: Scope): readonly LuaValue[] {
  if (expression.kind === 'varargs') throw new LuaError('expected no `...`: a script has KEYS and ARGV')
  if (expression.kind !== 'call') return [single(expression, scope)]
  const callee = value(expression.callee, scope)
  if (typeof callee !== 'function') throw new LuaError(`expected a function to call, got: ${typeof callee}`)
  return callee(...all(expression.given, scope))
}

function single(expression: Exclude<Expression, { kind: 'call' | 'varargs' }>, scope: Scope): LuaValue {
  switch (expression.kind) {
    case 'constant':
      return expression.value
    case 'name':
      return scope.get(expression.name)
    case 'index': {
      const table = value(expression.of, scope)
      if (!(table instanceof LuaTable)) throw new LuaError(`expected a table to index, got: ${typeof table}`)
      return table.get(value(expression.key, scope))
    }
    case 'function':
      return (...given) => {
        const inner = new Scope(scope)
        expression.parameters.forEach((name, index) => {
          inner.declare(name, given[index])
        })
        const ended = run(expression.body, inner)
        return typeof ended === 'object' ? ended.values : []
      }
    case 'table':
      return tableOf(expression, scope)
    case 'unary':
      return unary(expression.operator, value(expression.of, scope))
    case 'binary':
      return binary(expression, scope)
    default:
      return expression satisfies never
  }
}

function tableOf({ items }: Extract<Expression, { kind: 'table' }>, scope: Scope): LuaTable {
  const table = new LuaTable()
  let next = 1
  items.forEach(({ key, value: given }, index) => {
    if (key !== undefined) table.set(value(key, scope), value(given, scope))
    else
      for (const each of index === items.length - 1 ? values(given, scope) : [value(given, scope)])
        table.set(next++, each)
  })
  return table
}

function unary(operator: string, of: LuaValue): LuaValue {
  if (operator === 'not') return !truthy(of)
  if (operator === '-') return -number(of)
  if (typeof of === 'string') return Buffer.byteLength(of)
  if (of instanceof LuaTable) return of.length
  throw new LuaError(`expected a text or a table after #, got: ${typeof of}`)
}

function binary({ operator, left, right }: Extract<Expression, { kind: 'binary' }>, scope: Scope): LuaValue {
  const one = value(left, scope)
  if (operator === 'and') return truthy(one) ? value(right, scope) : one
  if (operator === 'or') return truthy(one) ? one : value(right, scope)
  const other = value(right, scope)
  switch (operator) {
    case '==':
      return one === other
    case '~=':
      return one !== other
    case '..':
      return text(one) + text(other)
    case '<':
      return less(one, other)
    case '>':
      return less(other, one)
    case '<=':
      return !less(other, one)
    case '>=':
      return !less(one, other)
    default:
      return arithmetic(operator, number(one), number(other))
  }
}

function less(one: LuaValue, other: LuaValue): boolean {
  if (typeof one === 'number' && typeof other === 'number') return one < other
  if (typeof one === 'string' && typeof other === 'string') return one < other
  throw new LuaError(`expected two numbers or two texts to compare, got: ${typeof one} and ${typeof other}`)
}

function arithmetic(operator: string, one: number, other: number): number {
  switch (operator) {
    case '+':
      return one + other
    case '-':
      return one - other
    case '*':
      return one * other
    case '/':
      return one / other
    case '%':
      return one - Math.floor(one / other) * other
    default:
      return one ** other
  }
}

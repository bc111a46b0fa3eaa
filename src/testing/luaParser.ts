/**
 * Reads the Lua that Warren's scripts are written in: a subset of Lua 5.1, without metatables, coroutines and `goto`. It
 * refuses anything else and names the place, so that a new script fails loudly. `lua.ts` runs what this returns.
 */
import { type Token, tokensOf } from './luaTokens.js'

export type Expression =
  | { readonly kind: 'constant'; readonly value: string | number | boolean | undefined }
  | { readonly kind: 'varargs' }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'index'; readonly of: Expression; readonly key: Expression }
  | { readonly kind: 'call'; readonly callee: Expression; readonly given: readonly Expression[] }
  | { readonly kind: 'function'; readonly parameters: readonly string[]; readonly body: Block }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'unary'; readonly operator: string; readonly of: Expression }
  | { readonly kind: 'table'; readonly items: readonly Field[] }

/** A field of a table; without a key it has the next number. */
export interface Field {
  readonly key: Expression | undefined
  readonly value: Expression
}

export type Statement =
  | { readonly kind: 'local'; readonly names: readonly string[]; readonly values: readonly Expression[] }
  | { readonly kind: 'localFunction'; readonly name: string; readonly made: Expression }
  | { readonly kind: 'assign'; readonly targets: readonly Expression[]; readonly values: readonly Expression[] }
  | { readonly kind: 'call'; readonly call: Expression }
  | { readonly kind: 'if'; readonly cases: readonly Case[]; readonly otherwise: Block | undefined }
  | { readonly kind: 'while'; readonly condition: Expression; readonly body: Block }
  | { readonly kind: 'repeat'; readonly body: Block; readonly until: Expression }
  | { readonly kind: 'count'; readonly name: string; readonly bounds: readonly Expression[]; readonly body: Block }
  | { readonly kind: 'each'; readonly names: readonly string[]; readonly over: Expression; readonly body: Block }
  | { readonly kind: 'block'; readonly body: Block }
  | { readonly kind: 'return'; readonly values: readonly Expression[] }
  | { readonly kind: 'break' }

interface Case {
  readonly condition: Expression
  readonly body: Block
}

export type Block = readonly Statement[]

/** Binary operators by how tightly they bind, loosest first. */
const LEVELS: readonly (readonly string[])[] = [
  ['or'],
  ['and'],
  ['<', '>', '<=', '>=', '~=', '=='],
  ['..'],
  ['+', '-'],
  ['*', '/', '%'],
]
const UNARY = new Set(['not', '#', '-'])

/** Throws a `SyntaxError`. */
export function parseLua(source: string): Block {
  return new Parser(tokensOf(source)).program()
}

class Parser {
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  program(): Block {
    const block = this.#block()
    if (this.#token.kind !== 'end') this.#fail('the end')
    return block
  }

  get #token(): Token {
    return this.#tokens[this.#at] as Token
  }

  #is(...signs: string[]): boolean {
    const { kind, text } = this.#token
    return kind === 'sign' && signs.includes(text)
  }

  #take(sign: string): boolean {
    if (!this.#is(sign)) return false
    this.#at++
    return true
  }

  #expect(sign: string): void {
    if (!this.#take(sign)) this.#fail(sign)
  }

  #fail(expected: string): never {
    throw new SyntaxError(`Lua, line ${this.#token.line}: expected ${expected}, got: ${this.#token.text}`)
  }

  #name(): string {
    const { kind, text } = this.#token
    if (kind !== 'name') this.#fail('a name')
    this.#at++
    return text
  }

  #names(): string[] {
    const names = [this.#name()]
    while (this.#take(',')) names.push(this.#name())
    return names
  }

  #block(): Block {
    const statements: Statement[] = []
    while (this.#token.kind !== 'end' && !this.#is('end', 'else', 'elseif', 'until')) {
      if (!this.#take(';')) statements.push(this.#statement())
    }
    return statements
  }

  /** A block up to its `end`. */
  #ended(): Block {
    const block = this.#block()
    this.#expect('end')
    return block
  }

  #statement(): Statement {
    if (this.#take('local')) return this.#local()
    if (this.#take('if')) return this.#if()
    if (this.#take('for')) return this.#for()
    if (this.#take('do')) return { kind: 'block', body: this.#ended() }
    if (this.#take('break')) return { kind: 'break' }
    if (this.#take('while')) {
      const condition = this.#expression()
      this.#expect('do')
      return { kind: 'while', condition, body: this.#ended() }
    }
    if (this.#take('repeat')) {
      const body = this.#block()
      this.#expect('until')
      return { kind: 'repeat', body, until: this.#expression() }
    }
    if (this.#take('return')) {
      const over = this.#token.kind === 'end' || this.#is('end', 'else', 'elseif', 'until', ';')
      return { kind: 'return', values: over ? [] : this.#expressions() }
    }
    if (this.#take('function')) {
      return { kind: 'assign', targets: [{ kind: 'name', name: this.#name() }], values: [this.#function()] }
    }
    const target = this.#suffixed()
    if (target.kind === 'call') return { kind: 'call', call: target }
    const targets: Expression[] = [target]
    while (this.#take(',')) targets.push(this.#suffixed())
    this.#expect('=')
    return { kind: 'assign', targets, values: this.#expressions() }
  }

  #local(): Statement {
    if (this.#take('function')) return { kind: 'localFunction', name: this.#name(), made: this.#function() }
    const names = this.#names()
    return { kind: 'local', names, values: this.#take('=') ? this.#expressions() : [] }
  }

  #if(): Statement {
    const cases: Case[] = []
    do {
      const condition = this.#expression()
      this.#expect('then')
      cases.push({ condition, body: this.#block() })
    } while (this.#take('elseif'))
    const otherwise = this.#take('else') ? this.#block() : undefined
    this.#expect('end')
    return { kind: 'if', cases, otherwise }
  }

  #for(): Statement {
    const names = this.#names()
    const [name = ''] = names
    if (this.#take('=')) {
      const bounds = this.#expressions()
      this.#expect('do')
      return { kind: 'count', name, bounds, body: this.#ended() }
    }
    this.#expect('in')
    const over = this.#expression()
    this.#expect('do')
    return { kind: 'each', names, over, body: this.#ended() }
  }

  #function(): Expression {
    this.#expect('(')
    const parameters = this.#is(')') ? [] : this.#names()
    this.#expect(')')
    return { kind: 'function', parameters, body: this.#ended() }
  }

  #expressions(): Expression[] {
    const all = [this.#expression()]
    while (this.#take(',')) all.push(this.#expression())
    return all
  }

  #expression(level = 0): Expression {
    const operators = LEVELS[level]
    if (operators === undefined) return this.#unary()
    let left = this.#expression(level + 1)
    while (this.#is(...operators)) {
      const operator = this.#token.text
      this.#at++
      // `..` binds to the right.
      const right = this.#expression(operator === '..' ? level : level + 1)
      left = { kind: 'binary', operator, left, right }
    }
    return left
  }

  #unary(): Expression {
    const { kind, text } = this.#token
    if (kind === 'sign' && UNARY.has(text)) {
      this.#at++
      return { kind: 'unary', operator: text, of: this.#unary() }
    }
    const base = this.#simple()
    return this.#take('^') ? { kind: 'binary', operator: '^', left: base, right: this.#unary() } : base
  }

  #simple(): Expression {
    const { kind, text } = this.#token
    if (kind === 'name' || this.#is('(')) return this.#suffixed()
    this.#at++
    if (kind === 'number') return { kind: 'constant', value: Number(text) }
    if (kind === 'text') return { kind: 'constant', value: text }
    if (text === 'nil') return { kind: 'constant', value: undefined }
    if (text === 'true' || text === 'false') return { kind: 'constant', value: text === 'true' }
    if (text === '...') return { kind: 'varargs' }
    if (text === 'function') return this.#function()
    if (text === '{') return this.#table()
    this.#at--
    this.#fail('an expression')
  }

  #table(): Expression {
    const items: Field[] = []
    while (!this.#take('}')) {
      let key: Expression | undefined
      const next = this.#tokens[this.#at + 1]
      if (this.#take('[')) {
        key = this.#expression()
        this.#expect(']')
        this.#expect('=')
      } else if (this.#token.kind === 'name' && next?.kind === 'sign' && next.text === '=') {
        key = { kind: 'constant', value: this.#name() }
        this.#expect('=')
      }
      items.push({ key, value: this.#expression() })
      if (!this.#take(',') && !this.#take(';') && !this.#is('}')) this.#fail('}')
    }
    return { kind: 'table', items }
  }

  /** A name or a bracketed expression, with the fields and calls that follow it. */
  #suffixed(): Expression {
    let value: Expression
    if (this.#take('(')) {
      value = this.#expression()
      this.#expect(')')
    } else {
      value = { kind: 'name', name: this.#name() }
    }
    for (;;) {
      if (this.#take('.')) {
        value = { kind: 'index', of: value, key: { kind: 'constant', value: this.#name() } }
      } else if (this.#take('[')) {
        value = { kind: 'index', of: value, key: this.#expression() }
        this.#expect(']')
      } else if (this.#take('(')) {
        const given = this.#is(')') ? [] : this.#expressions()
        this.#expect(')')
        value = { kind: 'call', callee: value, given }
      } else return value
    }
  }
}

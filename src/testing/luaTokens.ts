/** The words of the Lua that `luaParser.ts` reads. */

export interface Token {
  readonly kind: 'name' | 'number' | 'text' | 'sign' | 'end'
  readonly text: string
  readonly line: number
}

const KEYWORDS = new Set(
  'and break do else elseif end false for function if in local nil not or repeat return then true until while'.split(
    ' ',
  ),
)
const TOKEN =
  /(\s+|--[^\n]*)|([A-Za-z_]\w*)|(0x[\da-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|('(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*")|(\.\.\.|\.\.|==|~=|<=|>=|[-+*/%^#<>=(){}[\];:,.])/y
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '0': '\0' }

/** Throws a `SyntaxError` for what this subset of Lua does not have. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  let line = 1
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < source.length) {
    const match = TOKEN.exec(source)
    if (match === null) throw new SyntaxError(`Lua, line ${line}: expected a token that this subset of Lua has`)
    const [all, blank, name, number, text, sign] = match
    if (blank === undefined) {
      if (name !== undefined) tokens.push({ kind: KEYWORDS.has(name) ? 'sign' : 'name', text: name, line })
      else if (number !== undefined) tokens.push({ kind: 'number', text: number, line })
      else if (text !== undefined) tokens.push({ kind: 'text', text: unescaped(text.slice(1, -1)), line })
      else tokens.push({ kind: 'sign', text: sign as string, line })
    }
    line += all.split('\n').length - 1
  }
  return [...tokens, { kind: 'end', text: 'the end', line }]
}

const unescaped = (text: string): string => text.replaceAll(/\\([\s\S])/g, (_, each: string) => ESCAPES[each] ?? each)

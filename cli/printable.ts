/**
 * Makes untrusted text safe to print: messages can contain escape sequences that rewrite a terminal, hide its content or answer
 * for its user, and characters that change the writing direction. They are shown as escapes.
 */

/** Controls (C0, DEL, C1), direction marks and isolates, line separators, tags, lone surrogates. */
const UNPRINTABLE =
  /[\p{Cc}\u00ad\u061c\u115f\u1160\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Cs}/gu

const escaped = (character: string): string => {
  const code = character.codePointAt(0) ?? 0
  if (character === '\n') return '\\n'
  if (character === '\t') return '\\t'
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}

/** One line, whatever the text. */
export const printable = (text: string): string => text.replaceAll(UNPRINTABLE, escaped)

/** As {@link printable}, but with its line breaks. */
export const printableLines = (text: string): string => text.split(/\r?\n/).map(printable).join('\n')

/** A JSON line that is safe for a terminal as well, and parses to the same value. */
export const jsonLine = (value: unknown): string =>
  `${JSON.stringify(value).replaceAll(UNPRINTABLE, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
      .join(''),
  )}\n`

/** A value nested deeper than this is omitted: JSON.stringify does not support unlimited depth. */
const MAX_DEPTH = 32

/** The value of any header as JSON can carry it. Bytes are shown as base64, and large integers as text. */
export function plain(value: unknown, depth = 0): unknown {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) return String(value)
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (depth >= MAX_DEPTH) return '…'
  if (Array.isArray(value)) return value.map((each) => plain(each, depth + 1))
  const entries = Object.entries(value).map(([name, each]) => [name, plain(each, depth + 1)] as const)
  return Object.fromEntries(entries)
}

/** Text and values of strangers, cut to what a page can show. */

export interface Excerpt {
  readonly text: string
  /** How much there is of it in all, in characters; given when `text` is not all. */
  readonly of?: number
}

export const excerpt = (text: string, max: number): Excerpt =>
  text.length <= max ? { text } : { text: text.slice(0, max), of: text.length }

/** As JSON; what JSON cannot carry, as `String` has it. */
export function jsonExcerpt(value: unknown, max: number, indent?: number): Excerpt {
  let text: string
  try {
    text = JSON.stringify(value, undefined, indent) ?? String(value)
  } catch {
    text = String(value)
  }
  return excerpt(text, max)
}

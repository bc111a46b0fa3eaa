/** Numbers, times and strangers' text, made fit to read. */

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const tenth = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 })

export const count = (value) => (value === undefined || value === null ? '–' : whole.format(value))

export function rate(value) {
  if (value === undefined || value === null) return '–'
  return `${value > 0 && value < 10 ? tenth.format(value) : whole.format(value)}/s`
}

export function bytes(value) {
  if (value === undefined || value === null) return '–'
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let unit = 0
  let size = value
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000
    unit++
  }
  return `${size < 10 && unit > 0 ? tenth.format(size) : whole.format(size)} ${units[unit]}`
}

/** `850 ms`, `12 s`, `3 min`, `5 h`, `2 d`. */
export function duration(ms) {
  if (ms === undefined || ms === null) return '–'
  if (ms < 1_000) return `${Math.round(ms)} ms`
  const seconds = ms / 1_000
  if (seconds < 10) return `${tenth.format(seconds)} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

export const clock = (at) => new Date(at).toLocaleTimeString('en-GB')

const REACHED = new Set(['running', 'flow', 'idle', 'syncing', 'unknown'])
/** Known not to be reachable; `unknown` may be either. */
export const isAway = ({ state }) => !REACHED.has(state)

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`

/**
 * Text of a stranger: what cannot be seen, or would turn the writing around it, is shown as an escape. The page sets it as
 * text in any case; this is so that people are not misled.
 */
const HIDDEN =
  /[\p{Cc}\u00ad\u061c\u115f\u1160\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Cs}/gu

export const visible = (text) =>
  String(text).replace(HIDDEN, (mark) =>
    mark === '\n' || mark === '\t' ? mark : `\\u{${mark.codePointAt(0).toString(16)}}`,
  )

/** An excerpt as the server cuts it: `{ text, of }`. */
export const excerpt = ({ text, of }) => (of === undefined ? visible(text) : `${visible(text)} … (${count(of)} in all)`)

/** Of a share from 0 to 1: `0 %`, `0.4 %`, `12 %`. */
export function percent(share) {
  if (share === undefined || share === null) return '–'
  const value = share * 100
  return `${value > 0 && value < 10 ? tenth.format(value) : whole.format(value)} %`
}

/** `12 s ago`, and the clock for what is further away. */
export function ago(at, now = Date.now()) {
  if (at === undefined || at === null) return '–'
  const ms = now - new Date(at).getTime()
  if (ms < -1_500) return `in ${duration(-ms)}`
  return ms < 1_500 ? 'now' : `${duration(ms)} ago`
}

export const dateTime = (at) => (at === undefined || at === null ? '–' : new Date(at).toLocaleString('en-GB'))

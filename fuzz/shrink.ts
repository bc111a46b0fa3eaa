/** Finds the least that still breaks something: fewer messages first, then simpler ones. */
import { type FuzzMessage, plainMessage } from './messages.js'

/** How many tries a search may take: each waits for what never comes. */
const MAX_TRIES = 60

/** `breaks` is asked again and again. Returns a list that it last said yes to, or `all` itself. */
export async function shrink<T>(
  all: readonly T[],
  simpler: (each: T) => readonly T[],
  breaks: (some: readonly T[]) => Promise<boolean>,
  maxTries = MAX_TRIES,
): Promise<readonly T[]> {
  let least = all
  let tries = 0
  const still = async (some: readonly T[]): Promise<boolean> => {
    if (some.length === 0 || tries >= maxTries) return false
    tries++
    if (!(await breaks(some))) return false
    least = some
    return true
  }
  for (let parts = 2; least.length > 1 && tries < maxTries; ) {
    const size = Math.ceil(least.length / parts)
    let smaller = false
    for (let at = 0; at < least.length && !smaller; at += size) {
      smaller =
        (await still(least.slice(at, at + size))) ||
        (parts > 2 && (await still([...least.slice(0, at), ...least.slice(at + size)])))
    }
    if (smaller) parts = 2
    else if (size === 1) break
    else parts = Math.min(least.length, parts * 2)
  }
  for (let again = true; again && tries < maxTries; ) {
    again = false
    search: for (const [index, each] of least.entries()) {
      for (const candidate of simpler(each)) {
        if (await still(least.with(index, candidate))) {
          again = true
          break search
        }
      }
    }
  }
  return least
}

/** The same message with one part fewer, or with one part as it should be. */
export function simplerMessages(message: FuzzMessage): readonly FuzzMessage[] {
  const { headers, properties } = message
  return [
    ...(headers.length > 1 ? [{ ...message, headers: [] }] : []),
    ...headers.map((_, index) => ({ ...message, headers: headers.toSpliced(index, 1) })),
    ...Object.entries(properties)
      .filter(([key, value]) => value !== plainMessage.properties[key as keyof typeof properties])
      .map(([key]) => ({
        ...message,
        properties: { ...properties, [key]: plainMessage.properties[key as keyof typeof properties] },
      })),
    ...(['body', 'task', 'id', 'route', 'queue'] as const)
      .filter((part) => !same(message[part], plainMessage[part]))
      .map((part) => ({ ...message, [part]: plainMessage[part] })),
  ]
}

const same = (one: unknown, other: unknown): boolean =>
  one === other || (one instanceof Uint8Array && other instanceof Uint8Array && Buffer.compare(one, other) === 0)

/** As text that somebody can read, and paste into a test. */
export const printed = (value: unknown): string =>
  JSON.stringify(
    value,
    (_, each: unknown) => {
      if (typeof each === 'bigint') return `${each}n`
      if (typeof each === 'number' && !Number.isFinite(each)) return String(each)
      return each
    },
    2,
  )

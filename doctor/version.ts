/** Versions such as `4.0.5`, `3.13.0-rc.1` or `7.0.15`. Pure. */

/** Major, minor and patch; undefined for what is no version. */
export function parts(version: string): readonly [number, number, number] | undefined {
  const [, major, minor, patch] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(version) ?? []
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch ?? 0)]
}

/** What is no version counts as a new one: nothing is said of it. */
export function atLeast(version: string, major: number, minor: number, patch = 0): boolean {
  const [a, b, c] = parts(version) ?? [Number.POSITIVE_INFINITY, 0, 0]
  if (a !== major) return a > major
  return b === minor ? c >= patch : b > minor
}

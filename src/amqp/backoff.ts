/**
 * Exponential back-off with jitter: `initialMs` doubled `failures` times, at most `maxMs`, and of that a random part
 * between one half and the whole, so that many clients do not come back in step.
 */
export function jittered(
  initialMs: number,
  failures: number,
  maxMs: number,
  random: () => number = Math.random,
): number {
  const full = Math.min(maxMs, initialMs * 2 ** Math.min(failures, 30))
  return full / 2 + (full / 2) * random()
}

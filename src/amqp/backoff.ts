/**
 * Exponential back-off with jitter: `initialMs` doubled `failures` times, at most `maxMs`, of which a random part between 50 %
 * and 100 % is used, so that many clients do not reconnect at the same time.
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

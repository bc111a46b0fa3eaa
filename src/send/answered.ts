/** Waiting for users' code, which may hang. */
import { UnconfirmedError } from '../errors/index.js'
import { startTimer } from '../timers.js'

/** The input schema's answer within `ms`. */
export async function answered<T>(checking: Promise<T>, id: string, ms: number): Promise<T> {
  let stopTimer = (): void => undefined
  const late = new Promise<never>((_, reject) => {
    stopTimer = startTimer(ms, () =>
      reject(new UnconfirmedError(id, ms, false, 'the input schema of its task has not answered')),
    )
  })
  try {
    return await Promise.race([checking, late])
  } finally {
    stopTimer()
  }
}

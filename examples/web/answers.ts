/** The response to a request when Warren throws. */
import { WarrenError } from 'warren'

export function answerTo(error: unknown): { status: number; body: object } {
  if (!(error instanceof WarrenError)) return { status: 500, body: { error: 'internal error' } }
  const { code, message, retryable } = error
  if (code === 'INVALID_INPUT') return { status: 400, body: { code, error: message } } // the caller's mistake
  if (code === 'PAYLOAD_TOO_LARGE') return { status: 413, body: { code, error: message } }
  if (code === 'UNIQUE_CONFLICT') return { status: 409, body: { code, error: message } }
  return { status: retryable ? 503 : 500, body: { code } } // the broker's fault, or ours: the text belongs in the log
}

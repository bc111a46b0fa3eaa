/** Errors of the outbox itself. Errors of the database or Warren are rethrown unchanged, or are the `cause`. */

export type OutboxErrorCode = 'NO_CLIENT' | 'NO_TABLE' | 'RELAY_CLOSED'

export class OutboxError extends Error {
  readonly code: OutboxErrorCode

  constructor(code: OutboxErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'OutboxError'
    this.code = code
  }
}

/**
 * Every error that the local cluster raises. Each has a stable `code` to branch on; the message says what was tried, on
 * what, and what to do now. Messages may hold the end of a log, never a password of Warren's own making.
 */
export type ClusterErrorCode =
  | 'INVALID_OPTIONS'
  | 'ALREADY_RUNNING'
  | 'PORT_TAKEN'
  | 'BINARY_MISSING'
  | 'NOT_READY'
  | 'PROCESS_EXITED'
  | 'UNKNOWN_PROCESS'
  | 'WRONG_STATE'
  | 'NOT_RUNNING'
  | 'CONTROL_FAILED'
  | 'INTERRUPTED'

export class ClusterError extends Error {
  readonly code: ClusterErrorCode

  constructor(code: ClusterErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.name = 'ClusterError'
  }
}

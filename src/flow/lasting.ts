/** What publishing throws that sending again would not change. */
import { AccessRefusedError, InputError, MessageError, PayloadTooLargeError, UnroutableError } from '../errors/index.js'

export const isLasting = (error: unknown): boolean =>
  error instanceof UnroutableError ||
  error instanceof AccessRefusedError ||
  error instanceof MessageError ||
  error instanceof InputError ||
  error instanceof PayloadTooLargeError

/** Whether a message that could not be sent is certainly in no queue. */
import {
  AccessRefusedError,
  DelaysMissingError,
  InputError,
  MessageError,
  PayloadTooLargeError,
  UnconfirmedError,
  UnroutableError,
} from '../errors/index.js'

export const isInNoQueue = (error: unknown): boolean =>
  error instanceof UnroutableError ||
  error instanceof AccessRefusedError ||
  error instanceof DelaysMissingError ||
  error instanceof MessageError ||
  error instanceof InputError ||
  error instanceof PayloadTooLargeError ||
  (error instanceof UnconfirmedError && !error.written)

export {
  AccessRefusedError,
  BrokerUnreachableError,
  DelaysMissingError,
  QueueMismatchError,
  QueueUnavailableError,
  UnconfirmedError,
  UnroutableError,
} from './broker.js'
export {
  DeadLetterExchangeMissingError,
  DeadLettersUnreadableError,
  DeliveryLimitNearError,
  OriginUnknownError,
} from './deadLetters.js'
export { ClosedError, type ErrorCode, textOf, WarrenError } from './error.js'
export { FlowFailedError, type FlowFailure, type FlowMemberName, FlowTooLargeError } from './flows.js'
export { MissingPackageError, OptionsError } from './options.js'
export {
  NoResultStoreError,
  ResultTimeoutError,
  ResultUnreadableError,
  StoreRefusesError,
  StoreUnreachableError,
  TaskFailedError,
} from './results.js'
export {
  CancelledError,
  ConsumerTimeoutError,
  DeliveryLimitError,
  IsolateDiedError,
  NotCloneableError,
  PlaceLostError,
  Reject,
  TimeLimitError,
} from './running.js'
export { UnknownScheduleError } from './schedules.js'
export {
  InputError,
  type Issue,
  MessageError,
  OutputError,
  PayloadTooLargeError,
  UniqueConflictError,
  UnknownTaskError,
} from './tasks.js'

/** `warren/testing`: tests of handlers and whole workflows, without a broker and a store. */
export { type LoggedLine, runHandler, type TestAttempt, type TestAttemptOptions, testAttempt } from './attempt.js'
export { expectNotSent, expectSent, type PartOf, type Sending, type SentTask } from './sent.js'
export { TestWarren, type TestWarrenOptions, testWarren } from './warren.js'
export { TestWorker } from './worker.js'

// Stands in for an isolate whose handler's module sends messages of its own, of any shape, before the answer.
import { isMainThread, parentPort } from 'node:worker_threads'

const post = isMainThread ? (message) => process.send(message) : (message) => parentPort.postMessage(message)
const odd = [
  null,
  0,
  'hello',
  [],
  { kind: 'hello' },
  { kind: 'log' },
  { kind: 'log', level: 'toString', fields: 1 },
  { kind: 'log', level: '__proto__', fields: {}, message: 'x' },
  { kind: 'threw' },
  { kind: 'threw', error: null },
]
const receive = ({ kind }) => {
  if (kind !== 'run') return
  for (const message of odd) post(message)
  post({ kind: 'returned', output: 'the answer' })
}
if (isMainThread) process.on('message', receive)
else parentPort.on('message', receive)

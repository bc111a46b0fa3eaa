// The handlers that the isolation tests run in threads and child processes: the input picks the behaviour.
import { threadId } from 'node:worker_threads'

class OddError extends Error {
  name = 'OddError'
}
class Reject extends Error {
  name = 'Reject'
}

export default async function behave(input, attempt) {
  const { number, signal } = attempt
  const here = { pid: process.pid, threadId, number, redelivered: attempt.redelivered }
  switch (input.does[Math.min(number, input.does.length) - 1]) {
    case 'return':
      return here
    case 'busy':
      return busyFor(input.busyMs, here)
    case 'forever':
      await attempt.progress(here)
      for (;;);
    case 'throw':
      throw Object.assign(new OddError(`attempt ${number} was told to fail`), { code: 'E_ODD' })
    case 'reject':
      throw new Reject('told to reject')
    case 'exit':
      return process.exit(3)
    case 'kill':
      return process.kill(process.pid, 'SIGKILL')
    case 'uncaught':
      setTimeout(() => {
        throw new RangeError('nobody catches this')
      }, 20)
      return new Promise(() => undefined)
    case 'dieAfterwards':
      // What it leaves behind ends the isolate when the next attempt may be on its way there.
      setTimeout(() => process.exit(4), 0)
      return here
    case 'heed':
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    case 'report':
      await attempt.progress(here)
      attempt.log.warn({ half: true }, 'half way')
      await new Promise((resolve) => setTimeout(resolve, input.busyMs))
      return here
    default:
      return { fn() {} }
  }
}

export function busyFor(milliseconds, answer) {
  const end = Date.now() + milliseconds
  while (Date.now() < end);
  return answer
}

/** One question to a store or a Sentinel, without a client that would connect again by itself. */
import { connect } from 'node:net'
import { LOOPBACK } from './ports.js'

/** Resolves with what it answers: an error as its text, a list as one line for each item. Rejects when it does not answer. */
export function askStore(port: number, command: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: LOOPBACK })
    let text = ''
    const end = (act: () => void): void => {
      act()
      socket.destroy()
    }
    const abort = () => end(() => reject(new Error(`no answer to ${command}`)))
    signal.addEventListener('abort', abort, { once: true })
    socket.once('connect', () => socket.write(`${command}\r\n`))
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      const answer = answerIn(text)
      if (answer !== undefined) end(() => resolve(answer))
    })
    socket.once('error', reject)
    socket.once('close', () => {
      signal.removeEventListener('abort', abort)
      reject(new Error('it closed the connection'))
    })
  })
}

/** Undefined until all of it is there. Answers to these questions are ASCII. */
function answerIn(text: string): string | undefined {
  const end = text.indexOf('\r\n')
  if (end < 0) return undefined
  const [kind, rest] = [text[0], text.slice(1, end)]
  if (kind !== '$' && kind !== '*') return rest
  if (kind === '$') {
    if (rest === '-1') return ''
    const body = text.slice(end + 2)
    return body.length >= Number(rest) + 2 ? body.slice(0, Number(rest)) : undefined
  }
  // Lines of lengths and of items, in turn.
  const lines = text.slice(end + 2).split('\r\n')
  return lines.length > 2 * Number(rest) ? lines.filter((_, index) => index % 2 === 1).join('\n') : undefined
}

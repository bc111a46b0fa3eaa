/** What a command does when nobody reads its output any more. */
import { EventEmitter } from 'node:events'
import { expect, it } from 'vitest'
import { whenReaderGone } from '../../cli/readerGone.js'

it('A command whose reader has gone is ended once, however often it writes after that', () => {
  const [out, err] = [new EventEmitter(), new EventEmitter()]
  let ended = 0
  whenReaderGone([out, err], () => ended++)
  for (const stream of [out, out, err]) stream.emit('error', new Error('EPIPE'))
  expect(ended).toBe(1)
})

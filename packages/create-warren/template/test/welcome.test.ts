import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reject } from 'warren'
import { runHandler, testAttempt, testWarren } from 'warren/testing'
import { open } from '../src/connection.js'
import { welcome } from '../src/handlers.js'
import { sendWelcome } from '../src/tasks.js'

test('a handler alone: a welcome has the id of its task, so that it is sent once', async () => {
  const attempt = testAttempt(sendWelcome, { id: 'task-1' })
  const sent = await runHandler(sendWelcome, welcome, { to: 'ada@example.com', name: 'Ada' }, attempt)
  assert.deepEqual(sent, { messageId: 'welcome-task-1' })
})

test('a handler alone: an address that cannot exist is not tried again', async () => {
  await assert.rejects(runHandler(sendWelcome, welcome, { to: 'ada@example.invalid', name: 'Ada' }), Reject)
})

test('the worker and the producer in memory: a failed attempt is retried after a second of test time', async () => {
  await using warren = await testWarren()
  let down = true
  await warren
    .worker({ service: 'mailer' })
    .handle(sendWelcome, (input, attempt) => {
      if (down) throw new Error('the mail server does not answer')
      return welcome(input, attempt)
    })
    .start()
  const handle = await warren.send(sendWelcome, { to: 'ada@example.com', name: 'Ada' })
  await warren.idle()
  assert.equal((await handle.state())?.status, 'RETRY')
  down = false
  await warren.advance(1_000)
  assert.deepEqual(await handle.result(), { messageId: `welcome-${handle.id}` })
})

test('through a broker', { skip: !process.env.WARREN_BROKER && 'set WARREN_BROKER to run it' }, async () => {
  const warren = await open({ logger: false })
  try {
    const worker = warren.worker({ service: 'mailer', declareDeadLetters: true })
    worker.handle(sendWelcome, welcome)
    await worker.start()
    const handle = await warren.send(sendWelcome, { to: 'ada@example.com', name: 'Ada' })
    assert.deepEqual(await handle.result({ timeoutMs: 20_000 }), { messageId: `welcome-${handle.id}` })
  } finally {
    await warren.close()
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AttemptContext, Reject } from 'warren'
import { open } from '../src/connection.js'
import { welcome } from '../src/handlers.js'
import { sendWelcome } from '../src/tasks.js'

/** What a handler is told about its attempt. */
const attempt = { id: 'task-1', task: sendWelcome.name, number: 1 } as AttemptContext

test('a welcome has the id of its task, so that it is sent once', async () => {
  const sent = await welcome({ to: 'ada@example.com', name: 'Ada' }, attempt)
  assert.deepEqual(sent, { messageId: 'welcome-task-1' })
})

test('an address that cannot exist is not tried again', async () => {
  await assert.rejects(async () => welcome({ to: 'ada@example.invalid', name: 'Ada' }, attempt), Reject)
})

test('a task goes through the broker', {
  skip: !process.env.WARREN_BROKER && 'set WARREN_BROKER to run it',
}, async () => {
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

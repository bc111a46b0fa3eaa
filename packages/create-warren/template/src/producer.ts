/** The producer: sends a task and waits for its result. A web server would do the same in a request. */
import { open } from './connection.js'
import { sendWelcome } from './tasks.js'

const [name = 'Ada'] = process.argv.slice(2)
const warren = await open({ logger: false })
try {
  const handle = await warren.send(sendWelcome, { to: `${name.toLowerCase()}@example.com`, name })
  console.log(`sent ${handle.id}`)
  const { messageId } = await handle.result({ timeoutMs: 10_000 })
  console.log(`done: ${messageId}`)
} finally {
  await warren.close()
}

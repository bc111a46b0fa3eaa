/** Sends many tasks from a generator, with a bounded number in flight, and counts what came of them. */
import { connect, defineTask } from 'warren'
import { z } from 'zod'

const resize = defineTask({
  name: 'user.image.resize',
  input: z.object({ image: z.string(), width: z.number().int().positive() }),
  output: z.object({ pixels: z.number() }),
})

/** Inputs are made one by one, when there is room for them: they could come from a file or a cursor. */
function* images(count: number) {
  for (let index = 0; index < count; index++) yield { image: `image-${index}.png`, width: 100 + index }
}

const warren = await connect({
  broker: process.env.WARREN_BROKER ?? 'amqp://admin:admin@127.0.0.1:5680',
  results: process.env.WARREN_RESULTS ?? 'redis://127.0.0.1:26040',
  logger: false,
})
await warren
  .worker({ service: 'images' })
  .handle(resize, ({ width }) => ({ pixels: width * width }))
  .start()

const results: Promise<{ pixels: number }>[] = []
const { sent, failed } = await warren.sendMany(resize, images(500), {
  onSent: (handle) => results.push(handle.result({ timeoutMs: 30_000 })),
  onFailed: (error, index) => console.error(`image ${index} was not sent:`, error),
})
console.log(`${sent} sent, ${failed} failed, ${(await Promise.all(results)).length} resized`)

await warren.close()

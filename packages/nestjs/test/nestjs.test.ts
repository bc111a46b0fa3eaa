/**
 * The promise: an application of several modules starts its handlers, drains them at SIGTERM, and can be tested without a
 * broker. `example/app.ts` is the application.
 */
import 'reflect-metadata'
import { randomUUID } from 'node:crypto'
import { type INestApplicationContext, Injectable, Logger, Module, Scope } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Test } from '@nestjs/testing'
import { HandleTask, InjectWarren, WARREN, WarrenModule, type WarrenModuleOptions, WarrenWorkers } from '@warren/nestjs'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type AttemptContext, connect, defineTask, type Warren } from 'warren'
import { z } from 'zod'
import { type ClusterUrls, until, virtualHost } from '../../../test/support/cluster.js'
import { AppModule, Billing, cancelInvoice, Mailer, sendInvoice, sendMail } from '../example/app.js'

const quick = defineTask({ name: 'shop.nest.quick', input: z.object({ n: z.number() }) })
const slow = defineTask({ name: 'shop.nest.slow', input: z.object({ n: z.number() }) })

let urls: ClusterUrls
let outside: Warren

beforeAll(async () => {
  Logger.overrideLogger(false)
  urls = await virtualHost('billing', [sendInvoice, cancelInvoice, sendMail])
  vi.stubEnv('WARREN_BROKER', urls.broker)
  vi.stubEnv('WARREN_RESULTS', urls.results)
  outside = await connect({ broker: urls.broker, results: urls.results, logger: false })
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await outside?.close()
})

/** Closed after the test, if it is still open. */
function ends<App extends Pick<INestApplicationContext, 'close'>>(app: App): App {
  onTestFinished(() => app.close())
  return app
}

/** All queues are consumed: one that the broker refused for the moment is taken up later. */
const started = (app: INestApplicationContext): Promise<void> =>
  until('consuming every queue', () =>
    Object.values(app.get(WarrenWorkers).running).every((worker) =>
      worker.health().queues.every(({ state }) => state === 'consuming'),
    ),
  )

describe('An application', () => {
  it('starts its three handlers in two modules, on two workers, and drains at SIGTERM', async () => {
    const order = randomUUID()
    const mails: string[] = []
    let finishMail: (() => void) | undefined
    vi.spyOn(Mailer.prototype, 'deliver').mockImplementation(async (_to, text) => {
      // Another's is one of this test before it was repeated.
      if (text !== `invoice for ${order}`) return
      await new Promise<void>((resolve) => (finishMail = resolve))
      mails.push(text)
    })
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined)
    onTestFinished(() => void vi.restoreAllMocks())
    const app = ends(await NestFactory.createApplicationContext(AppModule, { logger: false }))
    app.enableShutdownHooks(['SIGTERM'])
    await started(app)
    expect(Object.keys(app.get(WarrenWorkers).running).sort()).toEqual(['default', 'mail'])

    const handle = await app.get(Billing).bill(order, 1200)
    expect(await handle.result({ timeoutMs: 20_000 })).toEqual({ invoice: `INV-${order}` })
    await (await outside.send(cancelInvoice, { order })).result({ timeoutMs: 20_000 })
    expect(log).toHaveBeenCalledWith(`cancelled the invoice for ${order}`)

    // The mail is being sent: SIGTERM waits for it. Nest ends the process afterwards, with the same signal.
    const ended = new Promise((resolve) => {
      vi.spyOn(process, 'kill').mockImplementation((...which) => {
        resolve(which)
        return true
      })
    })
    await until('the mail is being sent', () => finishMail !== undefined)
    process.emit('SIGTERM', 'SIGTERM')
    await until('the workers drain', () => app.get(WarrenWorkers).running.mail?.health().state === 'draining')
    expect(mails).toEqual([])
    finishMail?.()
    expect(await ended).toEqual([process.pid, 'SIGTERM'])
    expect(mails).toEqual([`invoice for ${order}`])
    expect(await outside.handle(sendMail, `mail-${handle.id}`).state()).toMatchObject({ status: 'SUCCESS' })
    await expect(app.get(Billing).bill('order-2', 1)).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('is tested without a broker by overriding the connection', async () => {
    const sent = vi.fn(async () => ({ id: 'one' }))
    const app = ends(
      await Test.createTestingModule({ imports: [AppModule] })
        .overrideProvider(WARREN)
        .useValue({ send: sent })
        .compile(),
    )
    await app.init()
    await app.get(Billing).bill('order-1', 1200)
    expect(sent).toHaveBeenCalledWith(sendInvoice, { order: 'order-1', amountCents: 1200 })
    // A handler is a method, and takes an attempt that a test makes.
    const attempt = { id: 'attempt-1' } as AttemptContext
    expect(await app.get(Billing).send({ order: 'order-1' }, attempt)).toEqual({ invoice: 'INV-order-1' })
    expect(sent).toHaveBeenLastCalledWith(sendMail, expect.anything(), { id: 'mail-attempt-1' })
  })
})

describe('The module', () => {
  const options = (more: Partial<WarrenModuleOptions> = {}): WarrenModuleOptions => ({
    connect: { broker: urls.broker, results: urls.results },
    worker: { service: 'billing' },
    ...more,
  })

  @Injectable()
  class Counter {
    readonly seen: number[] = []
    @HandleTask(quick)
    handle({ n }: { n: number }): number {
      this.seen.push(n)
      return n
    }
  }

  it('starts workers when it is told, with autoStart: false, and each once', async () => {
    @Module({ imports: [WarrenModule.forRoot(options({ autoStart: false }))], providers: [Counter] })
    class Root {}
    const app = ends(await NestFactory.createApplicationContext(Root, { logger: false }))
    const workers = app.get(WarrenWorkers)
    expect(workers.running).toEqual({})
    await Promise.all([workers.start(), workers.start()])
    await started(app)
    const handle = await (app.get(WARREN) as Warren).send(quick, { n: 1 })
    expect(await handle.result({ timeoutMs: 20_000 })).toBe(1)
    expect(app.get(Counter).seen).toEqual([1])
  })

  it('starts nothing where nothing is handled, and only sends', async () => {
    @Injectable()
    class Sender {
      constructor(@InjectWarren() readonly warren: Warren) {}
    }
    @Module({
      imports: [WarrenModule.forRoot({ connect: { broker: urls.broker, logger: false } })],
      providers: [Sender],
    })
    class Root {}
    const app = ends(await NestFactory.createApplicationContext(Root, { logger: false }))
    expect(app.get(WarrenWorkers).running).toEqual({})
    expect(app.get(Sender).warren).toBe(app.get(WARREN))
  })

  it('names every handler that cannot run', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Scoped {
      @HandleTask(slow, { worker: 'slow' })
      handle(_: { n: number }): void {}
    }
    const { worker: _, ...without } = options()
    @Module({ imports: [WarrenModule.forRoot(without)], providers: [Counter, Scoped] })
    class Root {}
    const starting = NestFactory.createApplicationContext(Root, { logger: false, abortOnError: false })
    await expect(starting).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      problems: [
        expect.stringMatching(/expected `worker` to be given, since Counter\.handle handles a task/),
        expect.stringMatching(/expected `workers\.slow` to be given, since Scoped\.handle/),
        expect.stringMatching(/the provider of Scoped\.handle to be a singleton/),
      ],
    })
  })

  it('refuses options that are none, and a method that does not fit its task', async () => {
    expect(() => WarrenModule.forRoot({ conect: {} } as never)).toThrow(
      /^(?=.*`connect` to be given)(?=.*did you mean `connect`)/,
    )
    const failing = WarrenModule.forRootAsync({ useFactory: () => ({}) as never })
    @Module({ imports: [failing] })
    class Root {}
    await expect(
      NestFactory.createApplicationContext(Root, { logger: false, abortOnError: false }),
    ).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
    class Wrong {
      // @ts-expect-error: the input has a number
      @HandleTask(quick)
      handle(_: { n: string }): void {}
    }
    expect(Wrong).toBeDefined()
  })
})

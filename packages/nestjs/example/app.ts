/** An application of two features: orders send, billing and mail handle. */
import { Injectable, Module } from '@nestjs/common'
import { HandleTask, InjectWarren, WarrenModule } from '@warren/nestjs'
import { type AttemptContext, defineTask, type Handle, type Warren } from 'warren'
import { z } from 'zod'

export const sendInvoice = defineTask({
  name: 'shop.invoice.send',
  input: z.object({ order: z.string(), amountCents: z.number().int().positive() }),
  output: z.object({ invoice: z.string() }),
  retry: { maxAttempts: 3 },
})
export const cancelInvoice = defineTask({ name: 'shop.invoice.cancel', input: z.object({ order: z.string() }) })
export const sendMail = defineTask({ name: 'shop.mail.send', input: z.object({ to: z.string(), text: z.string() }) })

@Injectable()
export class Mailer {
  async deliver(to: string, text: string): Promise<void> {
    console.log(`mail to ${to}: ${text}`)
  }
}

@Injectable()
class MailHandlers {
  constructor(private readonly mailer: Mailer) {}

  @HandleTask(sendMail, { worker: 'mail' })
  async send({ to, text }: { to: string; text: string }): Promise<void> {
    await this.mailer.deliver(to, text)
  }
}

@Injectable()
export class Billing {
  constructor(@InjectWarren() private readonly warren: Warren) {}

  /** For a controller: resolves once the broker has the task. */
  bill(order: string, amountCents: number): Promise<Handle<{ invoice: string }>> {
    return this.warren.send(sendInvoice, { order, amountCents })
  }

  @HandleTask(sendInvoice)
  async send({ order }: { order: string }, attempt: AttemptContext): Promise<{ invoice: string }> {
    // The id is the same in every attempt: a mail that was sent is not sent again.
    await this.warren.send(sendMail, { to: 'customer', text: `invoice for ${order}` }, { id: `mail-${attempt.id}` })
    return { invoice: `INV-${order}` }
  }

  @HandleTask(cancelInvoice)
  cancel({ order }: { order: string }): void {
    console.log(`cancelled the invoice for ${order}`)
  }
}

@Module({ providers: [Mailer, MailHandlers] })
class MailModule {}

@Module({ providers: [Billing], exports: [Billing] })
class BillingModule {}

@Module({
  imports: [
    WarrenModule.forRootAsync({
      useFactory: () => ({
        connect: {
          broker: process.env.WARREN_BROKER ?? 'amqp://admin:admin@127.0.0.1:5680',
          results: process.env.WARREN_RESULTS ?? 'redis://127.0.0.1:26040',
        },
        worker: { service: 'billing', concurrency: 10 },
        workers: { mail: { service: 'mail', concurrency: 2, gracePeriodMs: 20_000 } },
      }),
    }),
    BillingModule,
    MailModule,
  ],
})
export class AppModule {}

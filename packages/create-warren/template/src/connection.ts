/** The addresses of the broker and the result store: those of compose.yaml, unless environment variables override them. */
import { type ConnectOptions, connect, type Warren } from 'warren'

export const open = (options: Omit<ConnectOptions, 'broker' | 'results'> = {}): Promise<Warren> =>
  connect({
    broker: process.env.WARREN_BROKER ?? 'amqp://app:app@127.0.0.1:5672',
    results: process.env.WARREN_RESULTS ?? 'redis://127.0.0.1:6379',
    ...options,
  })

/** A console that reaches no cluster, for what it does by itself; and whoever signs in and acts there. */
import { expect } from 'vitest'
import type { ConsoleOptions } from '../../console/index.js'

export const OPTIONS: ConsoleOptions = {
  // Nobody listens on port 1.
  broker: 'amqp://operator:operator@127.0.0.1:1',
  results: 'redis://127.0.0.1:1',
  management: 'http://127.0.0.1:1',
  control: '/nowhere/control.sock',
  port: 0,
  accounts: [
    { user: 'admin', password: 'right', role: 'operator' },
    { user: 'viewer', password: 'look', role: 'viewer' },
  ],
}

export interface SignedIn {
  readonly cookie: string
  readonly token: string
}

export async function signInAt(at: string, user = 'admin', password = 'right'): Promise<SignedIn> {
  const response = await fetch(`${at}/api/session`, {
    method: 'POST',
    headers: { origin: at, 'content-type': 'application/json' },
    body: JSON.stringify({ user, password }),
  })
  expect(response.status).toBe(200)
  const { token } = (await response.json()) as { token: string }
  return { cookie: (response.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? '', token }
}

export const actAt = (at: string, path: string, headers: Record<string, string>, method = 'POST') =>
  fetch(`${at}/api${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(method === 'GET' ? {} : { body: '{}' }),
  })

export const errorOf = async (response: Response): Promise<string> =>
  ((await response.json()) as { error: string }).error

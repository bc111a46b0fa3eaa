/** What a connection over AMQP says, with the user of `--broker`. It opens one at each address, and no channel on it. */
import { type ChannelModel, connect } from 'amqplib'
import { textOf } from 'warren'
import type { BrokerFacts } from '../snapshot.js'

const TIMEOUT_MS = 8_000

export interface BrokerAddress {
  /** With user and password: for the connection alone. */
  readonly url: string
  /** Without. */
  readonly shown: string
}

export function brokerAddress(text: string): BrokerAddress {
  const url = new URL(text)
  return { url: text, shown: `${url.protocol}//${url.host}${url.pathname === '/' ? '' : url.pathname}` }
}

export async function lookAtBroker(addresses: readonly BrokerAddress[], user: string): Promise<BrokerFacts> {
  return { user, addresses: await Promise.all(addresses.map(lookAt)) }
}

async function lookAt({ url, shown }: BrokerAddress): Promise<BrokerFacts['addresses'][number]> {
  const giveUp = new AbortController()
  const timer = setTimeout(() => giveUp.abort(new Error(`no answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS)
  const given = new Promise<never>((_, reject) => {
    giveUp.signal.addEventListener('abort', () => reject(giveUp.signal.reason), { once: true })
  })
  const socketOptions = { signal: giveUp.signal, clientProperties: { connection_name: 'warren doctor' } }
  const opening: Promise<ChannelModel> = connect(url, socketOptions)
  opening.then(
    (late) => giveUp.signal.aborted && void hangUp(late),
    () => undefined,
  )
  try {
    const model = await Promise.race([opening, given])
    const { version } = propertiesOf(model)
    await hangUp(model)
    return { address: shown, ...(typeof version === 'string' ? { version } : {}) }
  } catch (error) {
    const said = textOf(error)
    return { address: shown, problem: said, refused: /ACCESS.REFUSED|NOT.ALLOWED|ConnectionClose/i.test(said) }
  } finally {
    clearTimeout(timer)
  }
}

const propertiesOf = (model: ChannelModel): Readonly<Record<string, unknown>> =>
  (model.connection as unknown as { serverProperties?: Readonly<Record<string, unknown>> }).serverProperties ?? {}

/** A broker that is frozen answers no polite close. */
async function hangUp(model: ChannelModel): Promise<void> {
  model.on('error', () => undefined)
  const late = new Promise((resolve) => setTimeout(resolve, 1_000).unref())
  await Promise.race([model.close(), late]).catch(() => undefined)
}

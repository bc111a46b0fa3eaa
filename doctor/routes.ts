/** Where an exchange leads, as RabbitMQ routes. Pure. */
import type { BindingFacts, ExchangeFacts } from './snapshot.js'

/** Whether a topic binding's key takes a routing key: `*` stands for one word, `#` for any number of them. */
export function topicTakes(pattern: string, key: string): boolean {
  const rest = (want: readonly string[], have: readonly string[]): boolean => {
    const [first, ...others] = want
    if (first === undefined) return have.length === 0
    if (first === '#') return rest(others, have) || (have.length > 0 && rest(want, have.slice(1)))
    return have.length > 0 && (first === '*' || first === have[0]) && rest(others, have.slice(1))
  }
  return rest(pattern.split('.'), key.split('.'))
}

/** Whether a message with this key would go anywhere; with `undefined` for the key, whether any would. */
export function leadsOn(exchange: ExchangeFacts, key: string | undefined, bindings: readonly BindingFacts[]): boolean {
  if (exchange.name === '' || typeof exchange.arguments['alternate-exchange'] === 'string') return true
  const own = bindings.filter(({ source }) => source === exchange.name)
  if (key === undefined) return own.length > 0
  if (exchange.type === 'topic') return own.some((each) => topicTakes(each.key, key))
  if (exchange.type === 'direct') return own.some((each) => each.key === key)
  return own.length > 0
}

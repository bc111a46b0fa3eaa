/** Positional arguments, as Celery clients and canvases pass them: a task names the properties of its input that take them. */
import { InputError } from '../errors/index.js'
import { isTable } from '../wire/celeryValues.js'
import type { Gate } from './gate.js'

/** Puts them into the input. Before anything looks at that. */
export const positionalGate: Gate = {
  enter({ registeredTask: { name, positional = [] } }, envelope) {
    const { args, input } = envelope
    if (args.length === 0) return undefined
    const refused = (message: string) => ({
      ...{ kind: 'deadLettered' as const, reason: 'invalid-input' as const },
      error: new InputError(name, [{ path: '', message }]),
    })
    if (args.length > positional.length) {
      const expected =
        positional.length === 0
          ? 'keyword arguments only (defineTask names those that may be positional in `positional`)'
          : `at most ${positional.length} positional arguments (${positional.join(', ')})`
      return refused(`expected ${expected}, got ${args.length} positional ones`)
    }
    if (!isTable(input)) return refused('expected keyword arguments to be an object where there are positional ones')
    const named = Object.fromEntries(args.map((value, at) => [positional[at] ?? '', value]))
    const twice = Object.keys(named).find((key) => Object.hasOwn(input, key))
    if (twice !== undefined) return refused(`expected one value for ${twice}, got a positional and a keyword argument`)
    Object.assign(envelope, { input: { ...input, ...named }, args: [] })
    return undefined
  },
}

/** The flows of an in-memory Warren: the library's own, over the in-memory broker and store. */
import { Flows, type FlowsDependencies } from '../flow/flows.js'
import { defaults } from '../options.js'
import { type MemoryBroker, memoryProducer } from './broker.js'

export const memoryFlows = (
  broker: MemoryBroker,
  parts: Pick<FlowsDependencies, 'results' | 'control' | 'clock' | 'routes' | 'connection' | 'replyTo' | 'tell'>,
): Flows =>
  new Flows({
    ...parts,
    ...{ vhost: '/', producer: memoryProducer(broker) },
    ...{ confirmTimeoutMs: defaults.confirmTimeoutMs, maxMessageBytes: defaults.maxMessageBytes },
  })

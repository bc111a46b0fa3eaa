/** All servers of a cluster but the port mapper, in the order in which they are listed. They start together. */
import type { Binaries } from './binaries.js'
import { consoleProcess } from './console.js'
import { haproxy } from './haproxy.js'
import type { Management } from './management.js'
import { NODE_NUMBERS } from './ports.js'
import type { ProcessDefinition } from './processDefinition.js'
import { prometheus, storeExporter } from './prometheus.js'
import { rabbitmqNode } from './rabbitmqNode.js'
import type { Settings } from './settings.js'
import { store } from './store.js'

export function servers(settings: Settings, binaries: Binaries, management: Management): ProcessDefinition[] {
  const metrics = settings.prometheus ? binaries.prometheus : undefined
  return [
    ...NODE_NUMBERS.map((node) => rabbitmqNode(settings, binaries, node, management)),
    ...store(settings, binaries),
    haproxy(settings, binaries),
    ...(metrics === undefined ? [] : [prometheus(settings, metrics), storeExporter(settings)]),
    ...(settings.console ? [consoleProcess(settings)] : []),
  ]
}

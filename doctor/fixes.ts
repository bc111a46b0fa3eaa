/** Commands that fix what was found, as far as one command does. Pure. */
import type { Setting } from './snapshot.js'

/** A word for a shell: quoted only where it must be. */
export const word = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`

const vhostOption = ({ vhost }: Setting): string => (vhost === '/' ? '' : ` --vhost ${word(vhost)}`)

/** Loads everything that the operator predefines for a service. */
export function loadDefinitions(setting: Setting, service?: string): string {
  const address = setting.management ?? 'http://HOST:15672'
  return `warren definitions --module YOUR_TASKS.js --service ${word(service ?? 'YOUR_SERVICE')}${vhostOption(setting)} --load ${word(address)}`
}

export const growQueues = (setting: Setting, nodes: readonly string[]): string =>
  nodes
    .map((node) => `rabbitmq-queues grow ${word(node)} all --vhost-pattern ${word(exactly(setting.vhost))}`)
    .join(' && ')

export const clearPolicy = ({ vhost }: Setting, name: string): string =>
  `rabbitmqctl clear_policy -p ${word(vhost)} ${word(name)}`

export const setPermissions = (
  { vhost }: Setting,
  user: string,
  { configure, write, read }: { configure: string; write: string; read: string },
): string =>
  `rabbitmqctl set_permissions -p ${word(vhost)} ${word(user)} ${quoted(configure)} ${quoted(write)} ${quoted(read)}`

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const special = /[\\^$.*+?()[\]{}|]/g
/** The regular expression for one name. */
export const exactly = (name: string): string => `^${name.replaceAll(special, '\\$&')}$`
export const escaped = (name: string): string => name.replaceAll(special, '\\$&')

/** RabbitMQ's nodes: up or down, memory and disk, what lives there, and what can be done to them. */
import { h, keyed, setAttribute, setText } from '../dom.js'
import { bytes, duration, plural } from '../format.js'
import { panel } from './panel.js'
import { actButton, actsFor } from './processActs.js'

const LAUNCHER_STATES = { up: 'running', down: 'stopped', frozen: 'frozen', starting: 'starting', stopping: 'stopping' }

export function nodesPanel({ can }) {
  const list = h('ul', { class: 'cards' })
  let moment
  const cards = keyed(
    list,
    ({ name }) => name,
    (first) => card(first.name, can.control, () => moment),
  )
  return panel('nodes', 'Nodes', list, (event, data) => {
    if (event !== 'moment') return
    moment = data
    cards(data.nodes)
  })
}

function card(name, control, moment) {
  const state = h('span', { class: 'badge' })
  const facts = h('dl')
  const buttons = h('div', { class: 'buttons' })
  const fact = (title) => {
    const value = h('dd')
    facts.append(h('div', {}, h('dt', {}, title), value))
    return value
  }
  const [memory, disk, uptime, front, leads, trouble] = [
    'Memory',
    'Disk free',
    'Up for',
    'HAProxy',
    'Leads',
    'Trouble',
  ].map(fact)
  let offered = ''
  return {
    element: h('li', { class: 'card' }, h('h3', {}, name, ' ', state), facts, buttons),
    update(node) {
      setText(state, node.why === undefined ? node.state : `${node.state} (${node.why})`)
      const quiet = node.state === 'starting' || node.state === 'unknown'
      setAttribute(state, 'class', `badge ${node.state === 'up' ? 'good' : quiet ? 'plain' : 'bad'}`)
      const limit = node.memoryLimitBytes === undefined ? '' : ` of ${bytes(node.memoryLimitBytes)}`
      setText(memory, node.memoryBytes === undefined ? '–' : `${bytes(node.memoryBytes)}${limit}`)
      setText(disk, bytes(node.diskFreeBytes))
      setText(uptime, duration(node.uptimeMs))
      setText(front, node.front ?? '–')
      const led = moment().queues.filter(({ leader, role }) => leader === name && role !== 'retry' && role !== 'delay')
      setText(leads, led.length === 0 ? 'no queue' : led.map((queue) => queue.name).join(', '))
      const troubles = [
        ...node.alarms.map((alarm) => `${alarm} alarm`),
        ...(node.partitions.length > 0 ? [`cut off from ${node.partitions.join(', ')}`] : []),
      ]
      trouble.parentElement.hidden = troubles.length === 0
      setText(trouble, troubles.join(', '))
      const acts = control && node.controlled ? actsFor(LAUNCHER_STATES[node.state] ?? 'running') : []
      if (acts.join() === offered) return
      offered = acts.join()
      buttons.replaceChildren(...acts.map((action) => actButton(name, action, () => consequences(name, moment()))))
    },
  }
}

/** What the loss of a node means just now. */
function consequences(name, { nodes, queues }) {
  const only = queues.filter(
    ({ type, leader, members }) => leader === name && (type === 'classic' || members?.length === 1),
  )
  const led = queues.filter(({ type, leader }) => type === 'quorum' && leader === name)
  const left = nodes.filter((node) => node.state === 'up' && node.name !== name).length
  return [
    ...(only.length > 0
      ? [
          `${only.map((queue) => queue.name).join(', ')} lives only there: it cannot be reached, and its messages wait, until ${name} is back.`,
        ]
      : []),
    ...(led.length > 0 ? [`${plural(led.length, 'quorum queue')} will choose a leader on another node.`] : []),
    left * 2 > nodes.length
      ? `${left} of ${nodes.length} nodes stay up: a majority, so quorum queues go on.`
      : `Only ${left} of ${nodes.length} nodes would stay up: no majority, so quorum queues take and give nothing until one is back.`,
  ]
}

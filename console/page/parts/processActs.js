/** What can be done to a process, and what each act means, in words that are shown before it is done. */
import { post } from '../api.js'
import { actButton } from './act.js'

const MEANS = {
  start: 'It is started, and joins the others again.',
  stop: 'It is told to end in order (SIGTERM).',
  kill: 'It is ended at once (SIGKILL), as a crash or a loss of power would do. It stays down until it is started.',
  freeze: 'It is paused (SIGSTOP): its connections stay open and answer nothing, as on a machine that hangs.',
  thaw: 'It goes on where it was paused (SIGCONT).',
}
const ACTS = { running: ['stop', 'kill', 'freeze'], frozen: ['thaw', 'kill'], starting: ['kill'], stopping: ['kill'] }
const NAMES = { start: 'Start', stop: 'Stop', kill: 'Kill', freeze: 'Freeze', thaw: 'Thaw' }

/** Which acts make sense in a state of the launcher's. */
const actsFor = (state) => ACTS[state] ?? ['start']

/**
 * The buttons for a process, made anew only when others are offered. `consequences(name, action)` gives more sentences, or
 * a promise of them.
 */
export function processButtons(element, consequences) {
  let offered = ''
  return (name, state, controlled) => {
    const acts = controlled ? actsFor(state) : []
    if (`${name} ${acts.join()}` === offered) return
    offered = `${name} ${acts.join()}`
    element.replaceChildren(...acts.map((action) => processButton(name, action, () => consequences(name, action))))
  }
}

function processButton(name, action, consequences) {
  const repairs = action === 'start' || action === 'thaw'
  const act = `${NAMES[action]} ${name}`
  return actButton({
    ...{ text: NAMES[action], label: act, tone: action === 'kill' ? 'danger' : '' },
    ask: repairs
      ? undefined
      : async () => ({ title: `${act}?`, sentences: [MEANS[action], ...(await consequences())], act, danger: true }),
    act: async () => {
      await post(`/process/${encodeURIComponent(name)}/${action}`)
      return `${name}: ${action} is done`
    },
  })
}

/** What it means for tasks that a worker goes. */
export const workerConsequences = (_name, action) =>
  ({
    stop: ['It finishes what it holds, takes nothing new, and ends.'],
    kill: ['What it holds goes to other workers at once; an attempt that was under way is run again.'],
    freeze: ['What it holds waits for it, until RabbitMQ gives its connection up for missed heartbeats.'],
  })[action] ?? []

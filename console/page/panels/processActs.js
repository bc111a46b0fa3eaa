/** What can be done to a process, and what each act means, in words that are shown before it is done. */
import { post } from '../api.js'
import { confirmAct, during, notice } from '../dialog.js'
import { h } from '../dom.js'

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
export const actsFor = (state) => ACTS[state] ?? ['start']

/** `consequences(action)` gives more sentences: what this one act on this one process does to the rest. */
export function actButton(name, action, consequences = () => []) {
  const button = h(
    'button',
    {
      type: 'button',
      class: action === 'kill' ? 'small danger' : 'small',
      'aria-label': `${NAMES[action]} ${name}`,
      onclick: async () => {
        const mends = action === 'start' || action === 'thaw'
        const agreed =
          mends ||
          (await confirmAct({
            title: `${NAMES[action]} ${name}?`,
            sentences: [MEANS[action], ...consequences(action)],
            act: `${NAMES[action]} ${name}`,
            danger: true,
          }))
        if (!agreed) return
        await during(button, async () => {
          await post(`/process/${encodeURIComponent(name)}/${action}`)
          notice(`${name}: ${action} is done`, 'good')
        })
      },
    },
    NAMES[action],
  )
  return button
}

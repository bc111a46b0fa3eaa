/** How many workers the local cluster has. */
import { post } from '../api.js'
import { confirmAct, during } from '../dialog.js'
import { h } from '../dom.js'
import { plural } from '../format.js'

export function scaleForm() {
  const input = h('input', { id: 'scale-workers', type: 'number', min: '0', max: '149', value: '', required: true })
  const go = h('button', { type: 'submit', class: 'primary' }, 'Scale')
  let touched = false
  /** Of those that the launcher runs; others are not its affair. */
  let now
  input.addEventListener('input', () => {
    touched = true
  })
  const submit = async (event) => {
    event.preventDefault()
    const workers = input.valueAsNumber
    const fewer = now === undefined || workers < now
    const agreed =
      !fewer ||
      (await confirmAct({
        title:
          now === undefined
            ? `Scale to ${plural(workers, 'worker')}?`
            : `Scale from ${now} to ${plural(workers, 'worker')}?`,
        sentences: [
          now === undefined
            ? 'Workers beyond that number finish what they hold, take nothing new, and end.'
            : `${plural(now - workers, 'worker')} will finish what they hold, take nothing new, and end.`,
          ...(workers === 0 ? ['Then nobody takes from the queues.'] : []),
        ],
        act: `Scale to ${workers}`,
        danger: true,
      }))
    if (!agreed) return
    await during(go, () => post('/scale', { workers }))
    touched = false
  }
  return {
    element: h(
      'form',
      { class: 'line', 'aria-label': 'How many workers', onsubmit: submit },
      h('div', { class: 'field' }, h('label', { for: 'scale-workers' }, 'Workers'), input),
      go,
    ),
    look({ workers }) {
      now = workers.controlled
      if (!touched && document.activeElement !== input && now !== undefined) input.value = String(now)
    },
  }
}

/** Acts: each says what it does before it does it, and then what became of it. */
import { confirmAct, during, notice } from '../dialog.js'
import { h } from '../dom.js'

/**
 * A button that asks, acts and tells. `ask()` gives the dialog's title, sentences and the word on its button, or undefined
 * for what needs no question; `act(given)` returns the sentence that is shown then.
 */
export function actButton({ text, label = text, tone = '', small = true, ask, act }) {
  const button = h(
    'button',
    {
      type: 'button',
      class: `${small ? 'small ' : ''}${tone}`.trim(),
      'aria-label': label === text ? undefined : label,
      onclick: () =>
        during(button, async () => {
          const question = await ask?.()
          const answer = question === undefined ? {} : await confirmAct({ danger: tone === 'danger', ...question })
          if (answer === false) return
          const said = await act(answer === true ? {} : answer)
          if (said !== undefined) notice(said, 'good')
        }),
    },
    text,
  )
  return button
}

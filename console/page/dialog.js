/** Dialogs: one that asks before something is done, and one that shows something whole. */
import { h } from './dom.js'

function open(title, content, buttons) {
  const heading = h('h2', { id: 'dialog-title' }, title)
  const dialog = h(
    'dialog',
    { 'aria-labelledby': 'dialog-title' },
    heading,
    content,
    h('div', { class: 'buttons' }, buttons),
  )
  dialog.addEventListener('close', () => dialog.remove())
  document.body.append(dialog)
  dialog.showModal()
  return dialog
}

/**
 * Asks. `sentences` say what will happen; the button that does it names the act. Resolves with what was given in `fields`
 * (`{ name, label, type, value }`) when that one was pressed, with `true` where there are none, else with `false`.
 */
export function confirmAct({ title, sentences, act, fields = [], danger = false }) {
  return new Promise((resolve) => {
    let answer = false
    const inputs = fields.map(({ name, label, ...props }) => {
      const input = h('input', { id: `ask-${name}`, autocomplete: 'off', ...props })
      return { name, input, element: h('div', { class: 'field' }, h('label', { for: `ask-${name}` }, label), input) }
    })
    const cancel = h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel')
    const go = h(
      'button',
      {
        type: 'button',
        class: danger ? 'danger' : 'primary',
        onclick: () => {
          if (inputs.some(({ input }) => !input.reportValidity())) return
          answer =
            inputs.length === 0 ? true : Object.fromEntries(inputs.map(({ name, input }) => [name, input.value.trim()]))
          dialog.close()
        },
      },
      act,
    )
    const dialog = open(
      title,
      [...sentences.map((sentence) => h('p', {}, sentence)), ...inputs.map(({ element }) => element)],
      [cancel, go],
    )
    dialog.addEventListener('close', () => resolve(answer))
    // Enter must not do what was not read.
    cancel.focus()
  })
}

export function show(title, ...content) {
  const close = h('button', { type: 'button', onclick: () => dialog.close() }, 'Close')
  const dialog = open(title, h('div', { class: 'whole', tabindex: '0', role: 'group', 'aria-label': title }, content), [
    close,
  ])
  close.focus()
  return dialog
}

const NOTICE_MS = 8_000

/** A line at the bottom of the page that goes by itself, read out by screen readers. */
export function notice(text, tone = 'plain') {
  let corner = document.querySelector('#notices')
  if (corner === null) {
    corner = h('div', { id: 'notices', role: 'status', 'aria-live': 'polite' })
    document.body.append(corner)
  }
  const line = h('p', { class: `notice ${tone}` }, text)
  corner.append(line)
  setTimeout(() => line.remove(), NOTICE_MS)
}

/** Runs an act of the page's, with its button off meanwhile; a failure is shown as a notice. */
export async function during(button, act) {
  button.disabled = true
  try {
    await act()
  } catch (error) {
    notice(error.message, 'bad')
  } finally {
    button.disabled = false
  }
}

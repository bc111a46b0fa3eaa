/** Light or dark: as the system has it, unless the person chose. */
import { h, setText } from './dom.js'

const KEY = 'warren-theme'
const CHOICES = ['system', 'light', 'dark']

const chosen = () => {
  const kept = localStorage.getItem(KEY)
  return CHOICES.includes(kept) ? kept : 'system'
}

/** `themechange` on the document tells those who paint by themselves. */
export function applyTheme(theme = chosen()) {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  document.dispatchEvent(new Event('themechange'))
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => applyTheme())

export function themeButton() {
  const button = h('button', {
    type: 'button',
    onclick: () => {
      const next = CHOICES[(CHOICES.indexOf(chosen()) + 1) % CHOICES.length]
      localStorage.setItem(KEY, next)
      applyTheme(next)
      label()
    },
  })
  const label = () => setText(button, `Theme: ${chosen()}`)
  label()
  return button
}

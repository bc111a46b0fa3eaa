/** The sign-in form. */
import { signIn } from './api.js'
import { h, setText } from './dom.js'

export function signInForm(onSignedIn) {
  const user = h('input', { id: 'user', name: 'user', autocomplete: 'username', required: true })
  const password = h('input', {
    ...{ id: 'password', name: 'password', type: 'password', autocomplete: 'current-password', required: true },
  })
  const problem = h('p', { class: 'problem', role: 'alert' })
  const button = h('button', { type: 'submit', class: 'primary' }, 'Sign in')
  const form = h(
    'form',
    {
      class: 'sign-in',
      onsubmit: async (event) => {
        event.preventDefault()
        button.disabled = true
        try {
          onSignedIn(await signIn(user.value, password.value))
        } catch (error) {
          setText(problem, error.message)
          password.select()
        } finally {
          button.disabled = false
        }
      },
    },
    h('h1', {}, h('img', { src: 'icon.svg', alt: '', width: '28', height: '28' }), 'Warren'),
    h('label', { for: 'user' }, 'User'),
    user,
    h('label', { for: 'password' }, 'Password'),
    password,
    problem,
    button,
  )
  queueMicrotask(() => user.focus())
  return h('main', { class: 'lone' }, form)
}

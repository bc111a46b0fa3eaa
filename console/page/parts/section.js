/** A part of a view, with its heading. */
import { h } from '../dom.js'

let last = 0

export function section(title, { name = '', tools, wide = false } = {}, ...content) {
  const id = `section-${++last}`
  return h(
    'section',
    { class: `panel ${name}${wide ? ' whole-row' : ''}`, 'aria-labelledby': id },
    h('div', { class: 'panel-head' }, h('h2', { id }, title), tools),
    content,
  )
}

/** `[['Queue', 'x'], …]`; what is undefined is left out. */
export const facts = (pairs, name = 'facts') =>
  h(
    'dl',
    { class: name },
    pairs.map(([title, ...value]) =>
      value[0] === undefined || value[0] === null || value[0] === false
        ? undefined
        : h('div', {}, h('dt', {}, title), h('dd', {}, value)),
    ),
  )

/** The head of a view: where it is, its title, and what can be done. */
export function viewHead({ title, trail = [], acts = [], about }) {
  const heading = h('h1', { tabindex: '-1' }, title)
  return {
    heading,
    element: h(
      'div',
      { class: 'view-head' },
      h(
        'div',
        {},
        trail.length > 0 &&
          h(
            'p',
            { class: 'trail' },
            trail.flatMap(([text, href]) => [h('a', { href }, text), h('span', { 'aria-hidden': 'true' }, ' / ')]),
          ),
        heading,
        about && h('p', { class: 'quiet' }, about),
      ),
      h('div', { class: 'acts' }, acts),
    ),
  }
}

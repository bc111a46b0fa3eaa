/** What all panels have in common: a section with its heading. */
import { h } from '../dom.js'

/** `on(event, data)` is called for each event of the stream; `name` places it on the page. */
export function panel(name, title, content, on) {
  const element = h(
    'section',
    { class: `panel ${name}`, 'aria-labelledby': `${name}-title` },
    h('h2', { id: `${name}-title` }, title),
    content,
  )
  return { element, on }
}

/** A table that scrolls inside its panel where the screen is narrow. */
export function table(label, heads, body) {
  return h(
    'div',
    { class: 'wide', tabindex: '0', role: 'region', 'aria-label': label },
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          heads.map((head) => h('th', { scope: 'col' }, head)),
        ),
      ),
      body,
    ),
  )
}

export const badge = (text, tone) => h('span', { class: `badge ${tone}` }, text)

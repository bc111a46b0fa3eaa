/** Filters of a list. What is chosen is in the address, so that a link to a filtered list opens it. */
import { h, setAttribute, setText } from '../dom.js'
import { here, href, setQuery } from '../router.js'

const TYPING_MS = 250
let last = 0

/** A text; the address follows while it is typed. */
export function textFilter(name, label, { placeholder = '', list: listed } = {}) {
  const id = `filter-${name}-${++last}`
  let timer
  const write = () => setQuery({ [name]: input.value.trim(), page: '', after: '' }, { replace: true })
  const input = h('input', {
    ...{ id, type: 'search', autocomplete: 'off', spellcheck: 'false', placeholder, maxlength: '200' },
    list: listed,
    oninput: () => {
      clearTimeout(timer)
      timer = setTimeout(write, TYPING_MS)
    },
  })
  if (listed !== undefined) input.setAttribute('list', listed)
  return {
    input,
    element: h('div', { class: 'field' }, h('label', { for: id }, label), input),
    update(query) {
      if (document.activeElement !== input) input.value = query[name] ?? ''
    },
    close: () => clearTimeout(timer),
  }
}

/** One of several: `options` are `[value, text]`. */
export function choiceFilter(name, label, options = []) {
  const id = `filter-${name}-${++last}`
  const select = h('select', {
    id,
    onchange: () => setQuery({ [name]: select.value, page: '', after: '' }, { replace: true }),
  })
  let shown = ''
  let chosen = ''
  const offer = (all) => {
    const known = all.some(([value]) => value === chosen) ? all : [...all, [chosen, chosen]]
    const text = JSON.stringify(known)
    if (text !== shown) {
      shown = text
      select.replaceChildren(...known.map(([value, words]) => h('option', { value }, words)))
    }
    select.value = chosen
  }
  let offered = options
  return {
    element: h('div', { class: 'field' }, h('label', { for: id }, label), select),
    offer(all) {
      offered = all
      offer(all)
    },
    update(query) {
      chosen = query[name] ?? ''
      offer(offered)
    },
  }
}

/** Tabs that are links, each with a figure: `[value, text]`. */
export function tabs(name, label, options) {
  const links = options.map(([value, text]) => {
    const figure = h('span', { class: 'figure' })
    const link = h('a', {}, text, figure)
    return { value, link, figure }
  })
  return {
    element: h(
      'nav',
      { class: 'tabs', 'aria-label': label },
      h(
        'ul',
        {},
        links.map(({ link }) => h('li', {}, link)),
      ),
    ),
    update(query, figures = {}) {
      const { segments } = here()
      for (const { value, link, figure } of links) {
        setAttribute(link, 'href', href(segments, { ...query, [name]: value, page: '', after: '' }))
        setAttribute(link, 'aria-current', (query[name] ?? '') === value ? 'true' : undefined)
        const text = figures[value] === undefined ? '' : ` ${figures[value]}`
        setText(figure, text)
      }
    },
  }
}

export const filterBar = (...filters) =>
  h(
    'div',
    { class: 'filters', role: 'search' },
    filters.map((filter) => filter.element ?? filter),
  )

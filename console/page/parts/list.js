/**
 * A list as a table: a row of 32 pixels for each item, two lines each on a telephone. Rows stay as they are while their
 * item is there, with their focus.
 *
 * A column: `{ head, cell }`, where `cell()` gives `{ element, update(item) }`; `name` is its class; `phone` its place on a
 * telephone (`main`, `side`, `sub`, `end`), without which it is not shown there; `sort` the word that sorts by it.
 */
import { h, keyed, setAttribute, setText } from '../dom.js'
import { setQuery } from '../router.js'

export function list({ label, columns, key, empty = 'There are none.', sorted }) {
  const body = h('tbody')
  const rows = keyed(body, key, (first) => row(columns, first))
  const heads = columns.map((column) => head(column, sorted))
  const nothing = h('p', { class: 'nothing', hidden: true }, empty)
  const table = h(
    'table',
    { class: 'list' },
    h('caption', { class: 'unseen' }, label),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        heads.map(({ element }) => element),
      ),
    ),
    body,
  )
  return {
    element: h('div', { class: 'wide', tabindex: '0', role: 'region', 'aria-label': label }, table, nothing),
    body,
    update(items, text) {
      rows(items)
      table.hidden = items.length === 0
      nothing.hidden = items.length > 0
      if (text !== undefined) setText(nothing, text)
      for (const each of heads) each.update()
    },
  }
}

function row(columns, first) {
  const cells = columns.map(({ cell, name = '', phone = 'off' }, index) => {
    const made = cell(first)
    const place = `${name} on-${phone}`.trim()
    return {
      element: h(index === 0 ? 'th' : 'td', { class: place, ...(index === 0 ? { scope: 'row' } : {}) }, made.element),
      update: made.update,
    }
  })
  return {
    element: h(
      'tr',
      {},
      cells.map(({ element }) => element),
    ),
    update(item) {
      for (const cell of cells) cell.update(item)
    },
  }
}

function head({ head: text, name = '', phone = 'off', sort }, sorted) {
  const place = `${name} on-${phone}`.trim()
  if (sort === undefined || sorted === undefined) {
    const seen = typeof text === 'string' && text === '' ? h('span', { class: 'unseen' }, 'Acts') : text
    return { element: h('th', { scope: 'col', class: place }, seen), update: () => undefined }
  }
  const mark = h('span', { 'aria-hidden': 'true' })
  const button = h(
    'button',
    {
      type: 'button',
      class: 'sort',
      onclick: () => {
        const now = sorted()
        // First the largest; then the smallest; then as it was.
        const next = now.sort !== sort ? 'down' : now.dir === 'down' ? 'up' : ''
        setQuery(next === '' ? { sort: '', dir: '', page: '' } : { sort, dir: next, page: '' }, { replace: true })
      },
    },
    text,
    mark,
  )
  const element = h('th', { scope: 'col', class: place }, button)
  return {
    element,
    update() {
      const now = sorted()
      const here = now.sort === sort
      setText(mark, here ? (now.dir === 'down' ? ' ↓' : ' ↑') : '')
      setAttribute(element, 'aria-sort', here ? (now.dir === 'down' ? 'descending' : 'ascending') : undefined)
    },
  }
}

/** A cell that is a text. */
export const textCell =
  (text, props = {}) =>
  () => {
    const element = h('span', props)
    return {
      element,
      update(item) {
        const value = text(item)
        setText(element, value)
        // What is cut off can be read whole.
        setAttribute(element, 'title', String(value).length > 24 ? value : undefined)
      },
    }
  }

/** A cell that leads to a view. */
export const linkCell =
  (address, text, props = {}) =>
  () => {
    const element = h('a', props)
    return {
      element,
      update(item) {
        const value = text(item)
        setText(element, value)
        setAttribute(element, 'href', address(item))
        setAttribute(element, 'title', value.length > 24 ? value : undefined)
      },
    }
  }

/** A cell that is a word in a colour: `word(item)` gives both. */
export const badgeCell = (word) => () => {
  const element = h('span', { class: 'badge' })
  return {
    element,
    update(item) {
      const [text, tone] = word(item)
      setText(element, text)
      element.hidden = text === ''
      setAttribute(element, 'class', `badge ${tone}`)
    },
  }
}

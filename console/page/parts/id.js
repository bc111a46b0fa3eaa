/** An id: its first characters, and all of it by a click. */
import { notice } from '../dialog.js'
import { h, setAttribute, setText } from '../dom.js'
import { visible } from '../format.js'
import { icon } from '../icons.js'

const SHOWN = 8
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i

/** Of a UUID the first eight characters are enough to tell it from others. */
export const shortId = (id) => (UUID.test(id) ? `${id.slice(0, SHOWN)}…` : visible(id))

export function copyButton(id) {
  return h(
    'button',
    {
      type: 'button',
      class: 'copy',
      'aria-label': `Copy the id ${visible(id)}`,
      title: 'Copy the id',
      onclick: async () => {
        try {
          await navigator.clipboard.writeText(id)
          notice('The id is copied', 'good')
        } catch {
          notice(`The browser does not let pages copy here: ${visible(id)}`, 'bad')
        }
      },
    },
    icon('copy'),
  )
}

/** A cell of a list: the id as a link, with its copy button. */
export const idCell =
  (address, idOf = ({ id }) => id) =>
  (first) => {
    const link = h('a', { class: 'id' })
    return {
      element: h('span', { class: 'id-cell' }, link, copyButton(idOf(first))),
      update(item) {
        const id = idOf(item)
        setText(link, shortId(id))
        setAttribute(link, 'href', address(item))
        setAttribute(link, 'title', visible(id))
      },
    }
  }

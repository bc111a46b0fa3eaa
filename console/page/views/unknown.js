/** An address that is no view's. */
import { h } from '../dom.js'
import { href } from '../router.js'

export const unknownView = () => ({
  title: 'Nothing here',
  element: h(
    'div',
    { class: 'view' },
    h('h1', { tabindex: '-1' }, 'Nothing is here'),
    h('p', {}, 'No view has this address. ', h('a', { href: href([]) }, 'Go to the overview')),
  ),
})

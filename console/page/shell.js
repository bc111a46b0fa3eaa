/** What is around every view: the rail with all of them, the line that says whether all is well, search, range and pause. */
import { signOut } from './api.js'
import { during } from './dialog.js'
import { h, keyed, setAttribute, setText } from './dom.js'
import { count, plural } from './format.js'
import { icon } from './icons.js'
import { isPaused, setPaused } from './loader.js'
import { rangeChoice } from './range.js'
import { go, href } from './router.js'
import { themeButton } from './theme.js'

/** In the order of the rail; on a telephone the first four stand at the bottom, and the rest behind "More". */
const VIEWS = [
  ['overview', 'Overview', []],
  ['tasks', 'Tasks', ['tasks']],
  ['queues', 'Queues', ['queues']],
  ['dead-letters', 'Dead letters', ['dead-letters']],
  ['schedules', 'Schedules', ['schedules']],
  ['flows', 'Flows', ['flows']],
  ['workers', 'Workers', ['workers']],
  ['cluster', 'Cluster', ['cluster']],
  ['lab', 'Lab', ['lab']],
]
const AT_THE_BOTTOM = 4

export function shell(session, leave) {
  const rail = railOf(session)
  const summary = h('p', { class: 'summary', role: 'status' }, 'Looking …')
  const link = h('p', { class: 'link', role: 'status' }, '')
  const search = searchForm()
  const range = rangeChoice()
  const pages = pagesOf(session.links)
  const pause = h('button', {
    type: 'button',
    'aria-pressed': 'false',
    title: 'Figures and lists stay as they are',
    onclick: () => {
      setPaused(!isPaused())
      setAttribute(pause, 'aria-pressed', String(isPaused()))
      setText(pause, isPaused() ? '▸ Go on' : '❚❚ Pause')
    },
  })
  setText(pause, isPaused() ? '▸ Go on' : '❚❚ Pause')
  const who = h('p', { class: 'who' }, `${session.user} (${session.role}${session.readOnly ? ', read-only' : ''})`)
  const out = h('button', { type: 'button', onclick: () => during(out, () => signOut().then(leave)) }, 'Sign out')
  const main = h('main', { id: 'main', tabindex: '-1' })
  const skip = h(
    'a',
    {
      class: 'skip',
      href: './#main',
      onclick: (event) => {
        event.preventDefault()
        main.focus()
      },
    },
    'Skip to the content',
  )
  const element = h(
    'div',
    { class: 'shell' },
    skip,
    h(
      'header',
      { class: 'rail' },
      h('p', { class: 'brand' }, h('img', { src: 'icon.svg', alt: '', width: '24', height: '24' }), 'Warren'),
      rail.element,
      h(
        'div',
        { class: 'rail-foot' },
        pages.element,
        who,
        h('div', { class: 'acts' }, themeButton(), session.canSignOut !== false && out),
      ),
    ),
    h(
      'div',
      { class: 'page' },
      h('div', { class: 'bar' }, summary, search.element, h('div', { class: 'acts' }, range.element, pause)),
      link,
      main,
    ),
  )
  const slash = (event) => {
    const typing = event.target instanceof Element && event.target.closest('input, select, textarea, dialog') !== null
    if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    search.focus()
  }
  document.addEventListener('keydown', slash)
  return {
    element,
    main,
    /** The stream's state. */
    linkIs(state) {
      setText(link, state === 'open' ? '' : 'The connection to the console is lost; trying again …')
      setAttribute(document.body, 'data-link', state)
    },
    look(moment) {
      summarize(summary, moment)
      rail.look(moment)
      pages.update(moment.addresses)
    },
    /** Another view is shown. */
    at(name) {
      rail.at(name)
      // The other charts have a length of their own.
      range.element.hidden = name !== 'overview'
      range.update()
    },
    close: () => document.removeEventListener('keydown', slash),
  }
}

function railOf({ can }) {
  const offered = VIEWS.filter(([name]) => name !== 'lab' || can.burst || can.control || can.drills)
  const links = new Map(
    offered.map(([name, text, path], index) => {
      const figure = h('span', { class: 'figure' })
      const link = h('a', { href: href(path) }, icon(name), h('span', { class: 'label' }, text), figure)
      return [name, { link, figure, item: h('li', { class: index < AT_THE_BOTTOM ? '' : 'later' }, link) }]
    }),
  )
  const more = h(
    'button',
    {
      type: 'button',
      class: 'more',
      'aria-expanded': 'false',
      onclick: () => open(element.dataset.open === undefined),
    },
    icon('more'),
    h('span', { class: 'label' }, 'More'),
  )
  const element = h(
    'nav',
    { class: 'views', 'aria-label': 'Views' },
    h(
      'ul',
      {},
      [...links.values()].map(({ item }) => item),
      h('li', { class: 'more-item' }, more),
    ),
  )
  const open = (is) => {
    if (is) element.dataset.open = ''
    else delete element.dataset.open
    setAttribute(more, 'aria-expanded', String(is))
  }
  const figure = (name, value, tone = '') => {
    const link = links.get(name)
    if (link === undefined) return
    setText(link.figure, value === undefined || value === 0 ? '' : count(value))
    setAttribute(link.figure, 'class', `figure ${tone}`)
  }
  return {
    element,
    at(name) {
      for (const [each, { link }] of links) setAttribute(link, 'aria-current', each === name ? 'page' : undefined)
      open(false)
    },
    look({ dead, queues, nodes }) {
      figure('dead-letters', dead, 'warn')
      figure('queues', queues.away, 'bad')
      figure('cluster', nodes.filter(({ state }) => state === 'down' || state === 'frozen').length, 'bad')
    },
  }
}

/** An id goes to the task, anything else to the list. */
const WHOLE_ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i

function searchForm() {
  const input = h('input', {
    ...{ id: 'search', type: 'search', autocomplete: 'off', spellcheck: 'false', maxlength: '200' },
    ...{ placeholder: 'Task id, name or error', 'aria-label': 'Search tasks', 'aria-keyshortcuts': '/' },
  })
  const element = h(
    'form',
    {
      class: 'search',
      role: 'search',
      onsubmit: (event) => {
        event.preventDefault()
        const words = input.value.trim()
        if (words === '') return
        go(WHOLE_ID.test(words) ? href(['tasks', words]) : href(['tasks'], { q: words }))
        input.value = ''
        input.blur()
      },
    },
    input,
    h('kbd', { 'aria-hidden': 'true' }, '/'),
  )
  return { element, focus: () => input.focus() }
}

/** For depth, the pages that there are: those that were given, else what the local cluster serves. */
function pagesOf(given) {
  const list = h('ul')
  const element = h('nav', { class: 'pages', 'aria-label': 'Other pages', hidden: true }, list)
  const draw = keyed(
    list,
    ({ href: address }) => address,
    ({ href: address, text }) => ({
      element: h('li', {}, h('a', { href: address, target: '_blank', rel: 'noopener' }, text)),
      update: () => undefined,
    }),
  )
  const update = (addresses) => {
    const pages = given ?? (addresses === undefined ? {} : ofCluster(addresses))
    draw(Object.entries(pages).map(([text, address]) => ({ text, href: address })))
    element.hidden = Object.keys(pages).length === 0
  }
  return { element, update }
}

const ofCluster = ({ edge, prometheus }) => ({
  RabbitMQ: `${edge}/rabbitmq/`,
  HAProxy: `${edge}/haproxy`,
  ...(prometheus === undefined ? {} : { Prometheus: `${prometheus}/` }),
})

/** One line that says whether all is well, as far as that is known: green is said of what was seen alone. */
function summarize(element, { nodes, workers, queues, ready, problem, version, store }) {
  const up = nodes.filter(({ state }) => state === 'up').length
  const unsure = queues.unknown > 0 || nodes.length === 0 || nodes.some(({ state }) => state === 'unknown')
  const down = nodes.some(({ state }) => state !== 'up' && state !== 'unknown')
  const lost = store !== undefined && !['running', 'available', 'unknown'].includes(store.state)
  const well = problem === undefined && !down && !lost && queues.away === 0
  setAttribute(element, 'data-well', unsure && well ? 'unknown' : String(well))
  const parts = [
    nodes.length === 0 ? '– nodes' : `${up} of ${plural(nodes.length, 'node')} up`,
    plural(workers.well, 'worker'),
    `${plural(ready, 'message')} waiting`,
    ...(queues.away > 0 ? [`${plural(queues.away, 'queue')} cannot be reached`] : []),
    ...(queues.unknown > 0 ? [`nothing is known of ${plural(queues.unknown, 'queue')}`] : []),
    ...(lost ? [`${store.name} is ${store.state}`] : []),
    ...(version === '' ? [] : [`RabbitMQ ${version}`]),
  ]
  setText(element, problem !== undefined ? `RabbitMQ does not answer: ${problem}` : parts.join(', '))
}

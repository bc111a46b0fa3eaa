/** Puts the page together: who is signed in, the panels, and the stream that feeds them. */
import { readSession, signOut } from './api.js'
import { during } from './dialog.js'
import { h, keyed, setAttribute, setText } from './dom.js'
import { isAway, plural } from './format.js'
import { actionsPanel } from './panels/actions.js'
import { chartsPanel } from './panels/charts.js'
import { deadLettersPanel } from './panels/deadLetters.js'
import { drillsPanel } from './panels/drills.js'
import { eventsPanel } from './panels/events.js'
import { nodesPanel } from './panels/nodes.js'
import { queuesPanel } from './panels/queues.js'
import { tasksPanel } from './panels/tasks.js'
import { topologyPanel } from './panels/topology.js'
import { workersPanel } from './panels/workers.js'
import { signInForm } from './signIn.js'
import { openStream } from './stream.js'
import { applyTheme, themeButton } from './theme.js'

const app = document.querySelector('#app')
applyTheme()
begin().catch(() =>
  app.replaceChildren(h('p', { class: 'away', role: 'alert' }, 'The console does not answer. Load the page again.')),
)

async function begin() {
  const session = await readSession()
  if (session.signedIn) showConsole(session)
  else app.replaceChildren(signInForm(showConsole))
}

function showConsole(session) {
  const { can } = session
  const panels = [
    topologyPanel(),
    eventsPanel(),
    can.burst || can.control ? actionsPanel(session) : undefined,
    chartsPanel(),
    queuesPanel(),
    nodesPanel(session),
    workersPanel(session),
    can.tasks ? tasksPanel() : undefined,
    deadLettersPanel(session),
    can.drills ? drillsPanel() : undefined,
  ].filter((panel) => panel !== undefined)
  const summary = h('p', { class: 'summary' }, 'Looking …')
  const link = h('p', { class: 'link', role: 'status' }, '')
  const pages = links(session.links)
  const close = openStream(
    (event, data) => {
      if (event === 'hello' && data.moment === null) data.moment = undefined
      const moment = event === 'hello' ? data.moment : event === 'moment' ? data : undefined
      if (moment !== undefined) {
        summarize(summary, moment)
        pages.update(moment.addresses)
      }
      for (const panel of panels) panel.on(event, data)
      // What the first look has to say is the same as what each later one has.
      if (event === 'hello' && moment !== undefined) for (const panel of panels) panel.on('moment', moment)
    },
    (state) => {
      if (state === 'signedOut') return leave()
      setText(link, state === 'open' ? '' : 'The connection to the console is lost; trying again …')
      setAttribute(document.body, 'data-link', state)
    },
  )
  const leave = () => {
    close()
    for (const panel of panels) panel.close?.()
    app.replaceChildren(signInForm(showConsole))
  }
  const who = h('span', { class: 'who' }, `${session.user} (${session.role}${session.readOnly ? ', read-only' : ''})`)
  const out = h('button', { type: 'button', onclick: () => during(out, () => signOut().then(leave)) }, 'Sign out')
  app.replaceChildren(
    h('a', { class: 'skip', href: '#main' }, 'Skip to the picture'),
    h(
      'header',
      {},
      h('h1', {}, h('img', { src: 'icon.svg', alt: '', width: '28', height: '28' }), 'Warren'),
      summary,
      pages.element,
      h('div', { class: 'session' }, who, themeButton(), out),
    ),
    link,
    h(
      'main',
      { id: 'main', tabindex: '-1' },
      panels.map((panel) => panel.element),
    ),
  )
}

/** For depth, the pages that there are: those that were given, else what the local cluster serves. */
function links(given) {
  const list = h('ul')
  const element = h('nav', { 'aria-label': 'Other pages', hidden: true }, list)
  const draw = keyed(
    list,
    ({ href }) => href,
    ({ href, text }) => ({
      element: h('li', {}, h('a', { href, target: '_blank', rel: 'noopener' }, text)),
      update: () => undefined,
    }),
  )
  return {
    element,
    update(addresses) {
      const pages = given ?? (addresses === undefined ? {} : ofCluster(addresses))
      draw(Object.entries(pages).map(([text, href]) => ({ text, href })))
      element.hidden = Object.keys(pages).length === 0
    },
  }
}

const ofCluster = ({ edge, prometheus }) => ({
  RabbitMQ: `${edge}/rabbitmq/`,
  HAProxy: `${edge}/haproxy`,
  ...(prometheus === undefined ? {} : { Prometheus: `${prometheus}/` }),
})

/** One line that says whether all is well, as far as that is known: green is said of what was seen alone. */
function summarize(element, moment) {
  const { nodes, workers, workersUnknown, queues, ready, problem, version } = moment
  const up = nodes.filter(({ state }) => state === 'up').length
  const working = workers.filter(({ state }) => state === 'running' || state === 'connected').length
  const unknown = queues.filter(({ state }) => state === 'unknown').length
  const away = queues.filter(isAway).length
  const unsure = unknown > 0 || nodes.length === 0 || nodes.some(({ state }) => state === 'unknown')
  const down = nodes.some(({ state }) => state !== 'up' && state !== 'unknown')
  const well = problem === undefined && !down && away === 0
  setAttribute(element, 'data-well', unsure && problem === undefined && away === 0 && !down ? 'unknown' : String(well))
  const parts = [
    nodes.length === 0 ? '– nodes' : `${up} of ${plural(nodes.length, 'node')} up`,
    plural(workersUnknown ? undefined : working, 'worker'),
    `${plural(ready, 'message')} waiting`,
    ...(away > 0 ? [`${plural(away, 'queue')} cannot be reached`] : []),
    ...(unknown > 0 ? [`nothing is known of ${plural(unknown, 'queue')}`] : []),
    ...(version === '' ? [] : [`RabbitMQ ${version}`]),
  ]
  setText(element, problem !== undefined ? `RabbitMQ does not answer: ${problem}` : parts.join(', '))
}

/** Puts the page together: who is signed in, the panels, and the stream that feeds them. */
import { readSession, signOut } from './api.js'
import { during } from './dialog.js'
import { h, setAttribute, setText } from './dom.js'
import { plural } from './format.js'
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
  const close = openStream(
    (event, data) => {
      if (event === 'hello' && data.moment === null) data.moment = undefined
      const moment = event === 'hello' ? data.moment : event === 'moment' ? data : undefined
      if (moment !== undefined) summarize(summary, moment)
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
      h('h1', {}, h('img', { src: '/icon.svg', alt: '', width: '28', height: '28' }), 'Warren'),
      summary,
      links(),
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

/** For depth: the pages that the edge serves beside this one. */
function links() {
  const pages = [
    ['/rabbitmq/', 'RabbitMQ'],
    ['/haproxy', 'HAProxy'],
    ['/prometheus/', 'Prometheus'],
    ['/grafana/', 'Grafana'],
  ]
  const items = pages.map(([href, text]) => h('li', {}, h('a', { href, target: '_blank', rel: 'noopener' }, text)))
  return h('nav', { 'aria-label': 'Other pages' }, h('ul', {}, items))
}

/** One line that says whether all is well. */
function summarize(element, moment) {
  const { nodes, workers, ready, problem, version } = moment
  const up = nodes.filter(({ state }) => state === 'up').length
  const working = workers.filter(({ state }) => state === 'running' || state === 'connected').length
  const well = problem === undefined && up === nodes.length && nodes.length > 0
  setAttribute(element, 'data-well', well)
  setText(
    element,
    problem !== undefined
      ? `RabbitMQ does not answer: ${problem}`
      : `${up} of ${plural(nodes.length, 'node')} up, ${plural(working, 'worker')}, ${plural(ready, 'message')} waiting${version === '' ? '' : `, RabbitMQ ${version}`}`,
  )
}

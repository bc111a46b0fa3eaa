/** Puts the page together: who is signed in, the view that the address names, and the stream that feeds it. */
import { readSession } from './api.js'
import { h } from './dom.js'
import { Live } from './live.js'
import { isPaused } from './loader.js'
import { matchRoute, startRouter } from './router.js'
import { shell } from './shell.js'
import { signInForm } from './signIn.js'
import { openStream } from './stream.js'
import { applyTheme } from './theme.js'
import { clusterView } from './views/cluster.js'
import { deadLetterQueuesView } from './views/deadLetterQueues.js'
import { deadLettersView } from './views/deadLetters.js'
import { flowView } from './views/flow.js'
import { flowsView } from './views/flows.js'
import { labView } from './views/lab.js'
import { overviewView } from './views/overview.js'
import { queueView } from './views/queue.js'
import { queuesView } from './views/queues.js'
import { scheduleView } from './views/schedule.js'
import { schedulesView } from './views/schedules.js'
import { taskView } from './views/task.js'
import { tasksView } from './views/tasks.js'
import { unknownView } from './views/unknown.js'
import { workersView } from './views/workers.js'

/** Each view has a module of its own; `name` is its place on the rail. */
const ROUTES = [
  { name: 'overview', path: [], view: overviewView },
  { name: 'tasks', path: ['tasks'], view: tasksView },
  { name: 'tasks', path: ['tasks', ':id'], view: taskView },
  { name: 'queues', path: ['queues'], view: queuesView },
  { name: 'queues', path: ['queues', ':vhost', ':name'], view: queueView },
  { name: 'schedules', path: ['schedules'], view: schedulesView },
  { name: 'schedules', path: ['schedules', ':service', ':id'], view: scheduleView },
  { name: 'flows', path: ['flows'], view: flowsView },
  { name: 'flows', path: ['flows', ':id'], view: flowView },
  { name: 'dead-letters', path: ['dead-letters'], view: deadLetterQueuesView },
  { name: 'dead-letters', path: ['dead-letters', ':queue'], view: deadLettersView },
  { name: 'workers', path: ['workers'], view: workersView },
  { name: 'cluster', path: ['cluster'], view: clusterView },
  { name: 'lab', path: ['lab'], view: labView },
]

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
  const live = new Live()
  const frame = shell(session, () => leave())
  const place = placeOf(frame, session, live)
  app.replaceChildren(frame.element)
  const closeRouter = startRouter(place.show)
  const closeStream = openStream(
    (event, data) => {
      live.take(event, data)
      const looked = event === 'moment' || (event === 'hello' && live.moment !== undefined)
      if (looked && !isPaused()) frame.look(live.moment)
      place.tell(event, data)
    },
    (state) => {
      if (state === 'signedOut') leave()
      else frame.linkIs(state)
    },
  )
  const leave = () => {
    closeStream()
    closeRouter()
    place.close()
    frame.close()
    app.replaceChildren(signInForm(showConsole))
  }
}

/** Where views stand: one at a time. */
function placeOf(frame, session, live) {
  let shown
  const close = () => {
    shown?.view.close?.()
    shown = undefined
  }
  return {
    close,
    show({ segments, query }) {
      const { route, params } = matchRoute(ROUTES, segments) ?? { route: { view: unknownView }, params: {} }
      const where = JSON.stringify(segments)
      frame.at(route.name)
      // Other words in the query are the same view, with its focus and what was typed.
      if (shown?.where === where && shown.view.query !== undefined) {
        shown.view.query(query)
        return
      }
      const first = shown === undefined
      close()
      const view = route.view({ params, query, session, live })
      shown = { where, view }
      document.title = `${view.title} · Warren`
      frame.main.replaceChildren(view.element)
      if (live.moment !== undefined) view.on?.('moment', live.moment)
      if (first) return
      scrollTo(0, 0)
      view.element.querySelector('h1')?.focus({ preventScroll: true })
    },
    tell(event, data) {
      if (isPaused() && event !== 'hello') return
      shown?.view.on?.(event, data)
      // What the first look has to say is the same as what each later one has.
      if (event === 'hello' && live.moment !== undefined) shown?.view.on?.('moment', live.moment)
    },
  }
}

/**
 * Views and their addresses. Every address is relative to the page's root, which `<base>` says, so that a prefix makes no
 * difference. `show(route, query)` is called for a new address.
 */

const rootPath = new URL(document.baseURI).pathname

/** `tasks/88c5…?state=failed`, relative to the root. Empty values are left out. */
export function href(segments, query = {}) {
  const path = segments.map((segment) => encodeURIComponent(String(segment).toWellFormed())).join('/')
  const words = new URLSearchParams(
    Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== ''),
  ).toString()
  return `${path || './'}${words === '' ? '' : `?${words}`}`
}

const decoded = (segment) => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/** What the browser's address says: its segments below the root, and its query. */
export function here() {
  const { pathname, search } = location
  const path = pathname.startsWith(rootPath) ? pathname.slice(rootPath.length) : ''
  return {
    segments: path
      .split('/')
      .filter((segment) => segment !== '')
      .map(decoded),
    query: Object.fromEntries(new URLSearchParams(search)),
  }
}

/** `[['tasks', ':id'], view]` fits `tasks/88c5`; the values come by their names. */
export function matchRoute(routes, segments) {
  for (const route of routes) {
    if (route.path.length !== segments.length) continue
    const params = {}
    const fits = route.path.every((part, index) => {
      if (!part.startsWith(':')) return part === segments[index]
      params[part.slice(1)] = segments[index]
      return true
    })
    if (fits) return { route, params }
  }
  return undefined
}

let onChange = () => undefined

/** Calls back now, and for each change of the address until the returned function is called. */
export function startRouter(show) {
  onChange = show
  const back = () => show(here())
  const click = (event) => {
    const link = event.target instanceof Element ? event.target.closest('a[href]') : null
    if (link === null || event.defaultPrevented || event.button !== 0) return
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target !== '') return
    const { origin, pathname } = new URL(link.href)
    if (origin !== location.origin || !pathname.startsWith(rootPath) || link.dataset.outside !== undefined) return
    event.preventDefault()
    go(link.href)
  }
  addEventListener('popstate', back)
  document.addEventListener('click', click)
  show(here())
  return () => {
    removeEventListener('popstate', back)
    document.removeEventListener('click', click)
    onChange = () => undefined
  }
}

/** Goes to an address; `replace`: without a step in the browser's history. */
export function go(address, { replace = false } = {}) {
  const url = new URL(address, document.baseURI)
  if (url.href === location.href) replace = true
  if (replace) history.replaceState(null, '', url)
  else history.pushState(null, '', url)
  onChange(here())
}

/** The same view with other words in its query; an empty one goes away. */
export function setQuery(change, options) {
  const { segments, query } = here()
  go(href(segments, { ...query, ...change }), options)
}

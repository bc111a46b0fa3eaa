/** Elements without markup: every text is set as text, so that nothing from a message is ever read as HTML. */

const SVG = 'http://www.w3.org/2000/svg'

/** `h('button', { class: 'danger', onclick: act }, 'Kill')`. A property that is undefined or false is left out. */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children)
}

export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children)
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false || value === null) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else if (name in element && typeof value !== 'string' && !(element instanceof SVGElement)) element[name] = value
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false))
  return element
}

/** Changes a text only when it is another one, so that nothing is painted or read out without need. */
export function setText(element, text) {
  const value = String(text)
  if (element.textContent !== value) element.textContent = value
}

export function setAttribute(element, name, value) {
  if (value === undefined || value === false || value === null) element.removeAttribute(name)
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value))
}

/**
 * Keeps one child of `parent` for each item, in order. `create(item)` gives `{ element, update(item) }`; a child whose
 * item is still there stays as it is, with its focus.
 */
export function keyed(parent, key, create) {
  const rows = new Map()
  return (items) => {
    const wanted = new Set(items.map(key))
    for (const [id, row] of rows) {
      if (wanted.has(id)) continue
      row.element.remove()
      rows.delete(id)
    }
    let place = parent.firstChild
    for (const item of items) {
      const id = key(item)
      let row = rows.get(id)
      if (row === undefined) {
        row = create(item)
        rows.set(id, row)
      }
      row.update(item)
      if (row.element === place) place = place.nextSibling
      else parent.insertBefore(row.element, place)
    }
  }
}

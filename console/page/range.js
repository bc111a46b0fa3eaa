/** How far back charts go: in the address where it was chosen there, else as it was chosen last. */
import { h } from './dom.js'
import { here, setQuery } from './router.js'

const KEY = 'warren-range'
const RANGES = [
  ['5m', '5 minutes', 300],
  ['15m', '15 minutes', 900],
  ['1h', '1 hour', 3600],
]
const isRange = (word) => RANGES.some(([value]) => value === word)

export function rangeSeconds() {
  const word = chosen()
  return RANGES.find(([value]) => value === word)[2]
}

function chosen() {
  const { range } = here().query
  if (isRange(range)) return range
  const kept = localStorage.getItem(KEY)
  return isRange(kept) ? kept : '15m'
}

export function rangeChoice() {
  const select = h(
    'select',
    {
      id: 'range',
      'aria-label': 'How far back charts go',
      onchange: () => {
        localStorage.setItem(KEY, select.value)
        setQuery({ range: select.value }, { replace: true })
      },
    },
    RANGES.map(([value, text]) => h('option', { value }, text)),
  )
  const update = () => {
    select.value = chosen()
  }
  update()
  return { element: select, update }
}

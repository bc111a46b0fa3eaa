/** A line of the size of a word: how a figure went. Where nothing is known it has a gap. */
import { setAttribute, svg } from '../dom.js'

const WIDTH = 90
const HEIGHT = 22

/** `M0 22L3 10…`, from 0 at the bottom to the largest value at the top. */
export function sparkPath(values, width = WIDTH, height = HEIGHT) {
  const known = values.filter((value) => value !== null && value !== undefined)
  if (known.length < 2) return ''
  const most = Math.max(1e-9, ...known)
  const step = width / Math.max(1, values.length - 1)
  let pen = 'M'
  let path = ''
  for (const [index, value] of values.entries()) {
    if (value === null || value === undefined) {
      pen = 'M'
      continue
    }
    path += `${pen}${(index * step).toFixed(1)} ${(height - 1.5 - (value / most) * (height - 3)).toFixed(1)}`
    pen = 'L'
  }
  return path
}

export function spark(name = '') {
  const line = svg('path', { class: 'spark-line' })
  const element = svg(
    'svg',
    {
      ...{ class: `spark ${name}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none' },
      ...{ 'aria-hidden': 'true', focusable: 'false' },
    },
    line,
  )
  return { element, update: (values) => setAttribute(line, 'd', sparkPath(values)) }
}

/** A cell of a list. */
export const sparkCell = (values) => () => {
  const { element, update } = spark()
  return { element, update: (item) => update(values(item)) }
}

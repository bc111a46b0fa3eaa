/** One small picture for each view, drawn in the colour of the text around it. */
import { svg } from './dom.js'

const PATHS = {
  overview: 'M2 3h5v6H2zM9 3h5v3H9zM9 8h5v5H9zM2 11h5v2H2z',
  tasks: 'M2 4l1.5 1.5L6 3M8 4h6M2 9l1.5 1.5L6 8M8 9h6M8 13h6',
  queues: 'M2 3.5h12M2 8h12M2 12.5h12M2 2v3M2 6.5v3M2 11v3M14 2v3M14 6.5v3M14 11v3',
  schedules: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 5v3.5l2.5 1.5',
  flows: 'M2 8h3M5 8l3-4h2M5 8l3 4h2M10 3h4v2.5h-4zM10 10.5h4V13h-4z',
  'dead-letters': 'M2 4h12v9H2zM2 4l6 5 6-5',
  workers:
    'M8 2v2M8 12v2M2 8h2M12 8h2M3.8 3.8l1.4 1.4M10.8 10.8l1.4 1.4M3.8 12.2l1.4-1.4M10.8 5.2l1.4-1.4M8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z',
  cluster: 'M8 2l5 3v6l-5 3-5-3V5zM8 8v6M8 8L3 5M8 8l5-3',
  lab: 'M6 2h4M7 2v4L3 13a1 1 0 0 0 1 1h8a1 1 0 0 0 1-1L9 6V2M5 10h6',
  more: 'M3 8h.01M8 8h.01M13 8h.01',
  copy: 'M5 5V2h9v9h-3M2 5h9v9H2z',
}

export const icon = (name) =>
  svg(
    'svg',
    { class: 'icon', viewBox: '0 0 16 16', width: '16', height: '16', 'aria-hidden': 'true', focusable: 'false' },
    svg('path', { d: PATHS[name] ?? PATHS.more }),
  )

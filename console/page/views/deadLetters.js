/**
 * The dead letters of one queue: grouped by their error, filtered, selected, sent back or removed. They are looked at when
 * the view opens and when it is asked for, not with each look of the server's: a look counts as a delivery of each.
 */
import { get } from '../api.js'
import { during, show } from '../dialog.js'
import { h, keyed, setAttribute, setText } from '../dom.js'
import { ago, bytes, clock, count, excerpt, plural, visible } from '../format.js'
import { loader } from '../loader.js'
import { choiceFilter, filterBar, textFilter } from '../parts/filters.js'
import { shortId } from '../parts/id.js'
import { letterDetails } from '../parts/letter.js'
import { linkCell, list, textCell } from '../parts/list.js'
import { pager } from '../parts/pager.js'
import { section, viewHead } from '../parts/section.js'
import { sweep } from '../parts/sweep.js'
import { href, setQuery } from '../router.js'

const HOUR = 3_600_000
const AGES = [
  ['', 'any'],
  ['newer1h', 'less than an hour'],
  ['newer1d', 'less than a day'],
  ['older1h', 'more than an hour'],
  ['older1d', 'more than a day'],
  ['older7d', 'more than a week'],
]
const AGE_FILTERS = {
  newer1h: { newerThanMs: HOUR },
  newer1d: { newerThanMs: 24 * HOUR },
  older1h: { olderThanMs: HOUR },
  older1d: { olderThanMs: 24 * HOUR },
  older7d: { olderThanMs: 7 * 24 * HOUR },
}

export function deadLettersView({ params: { queue }, query, session }) {
  let now = query
  let page
  /** Ids that are chosen; they stay chosen on other pages. */
  const chosen = new Map()
  const path = `/dead-letters/${encodeURIComponent(queue)}`
  const again = h('button', { type: 'button', onclick: () => during(again, () => lookAgain()) }, 'Look again')
  const head = viewHead({ title: visible(queue), trail: [['Dead letters', href(['dead-letters'])]], acts: [again] })
  const note = h('p', { class: 'quiet', role: 'status', id: 'dlq-note' }, 'Looking …')
  const reason = choiceFilter('reason', 'Reason', [['', 'any reason']])
  const task = choiceFilter('task', 'Task', [['', 'any task']])
  const age = choiceFilter('age', 'Died', AGES)
  const words = textFilter('text', 'Containing')
  const filters = [reason, task, age, words]
  const groups = groupsOf()
  const pages = pager()

  const choose = () => {
    const input = h('input', { type: 'checkbox' })
    let letter
    input.addEventListener('change', () => {
      if (input.checked) chosen.set(letter.id, letter)
      else chosen.delete(letter.id)
      bar.update()
    })
    return {
      element: input,
      update(item) {
        letter = item
        input.checked = chosen.has(item.id)
        setAttribute(input, 'aria-label', `Select ${visible(item.id)}`)
      },
    }
  }
  const all = h('input', {
    type: 'checkbox',
    'aria-label': 'Select all of this page',
    onchange: () => {
      for (const letter of page.items) {
        if (all.checked) chosen.set(letter.id, letter)
        else chosen.delete(letter.id)
      }
      draw()
    },
  })
  const table = list({
    label: 'Dead letters',
    key: ({ key }) => key,
    columns: [
      ...(session.can.act ? [{ head: all, name: 'choose', phone: 'choose', cell: choose }] : []),
      { head: 'Why', name: 'long', phone: 'main', cell: openCell },
      {
        head: 'Task',
        phone: 'sub',
        cell: linkCell(
          ({ id }) => href(['tasks', id]),
          ({ task: name, id }) => visible(name ?? id),
        ),
      },
      { head: 'Id', cell: textCell(({ id }) => shortId(id)) },
      { head: 'Died', name: 'number', phone: 'side', cell: textCell(({ diedAt }) => ago(diedAt)) },
      { head: 'Attempts', name: 'number', cell: textCell(({ attempts }) => count(attempts)) },
      { head: 'Sent back', name: 'number', cell: textCell(({ redriven }) => (redriven > 0 ? `${redriven} ×` : '')) },
      { head: 'Size', name: 'number', phone: 'end', cell: textCell((letter) => bytes(letter.bytes)) },
    ],
  })

  function openCell() {
    let letter
    const open = h('button', {
      type: 'button',
      class: 'as-link',
      onclick: () =>
        during(open, async () => {
          const letters = await get(`${path}/${encodeURIComponent(letter.id)}`)
          show(`Dead letter ${visible(letter.id)}`, ...letters.map((each) => letterDetails(each)))
        }),
    })
    return {
      element: open,
      update(item) {
        letter = item
        setText(open, excerpt(item.why))
        setAttribute(open, 'title', excerpt(item.why))
      },
    }
  }

  const filterNow = () => ({
    ...(now.reason ? { reason: now.reason } : {}),
    ...(now.task ? { task: now.task } : {}),
    ...(now.text ? { text: now.text } : {}),
    ...(AGE_FILTERS[now.age] ?? {}),
  })
  let look
  const load = loader(
    () => {
      const asked = {
        ...filterNow(),
        ...(now.error ? { error: now.error } : {}),
        ...(now.page ? { page: now.page } : {}),
      }
      return `${path}?${new URLSearchParams({ ...asked, ...(look === undefined ? {} : { look }) })}`
    },
    (answer) => {
      page = answer
      look = answer.look
      draw()
    },
  )
  const lookAgain = async () => {
    look = 'anew'
    await load.now()
  }
  load.onFailure(() => setText(note, ''))

  const act = (verb, button) =>
    during(button, async () => {
      const rate = bar.rate()
      const common = rate === undefined ? {} : { rate }
      const ids = [...chosen.keys()]
      const which =
        ids.length > 0
          ? { filter: { id: ids } }
          : now.error
            ? { filter: filterNow(), error: now.error, look: page.look }
            : { filter: filterNow() }
      if (!(await sweep(verb, queue, { ...which, ...common }, ids.length > 0 ? '' : meaning(now)))) return
      chosen.clear()
      if (now.error) setQuery({ error: '', page: '' }, { replace: true })
      await lookAgain()
    })
  const bar = session.can.act ? actBar(chosen, act, () => page?.total) : undefined

  function draw() {
    table.update(
      page.items.map((letter, index) => ({ ...letter, key: `${page.page} ${index} ${letter.id}` })),
      page.inAll === 0
        ? `${visible(queue)} holds no dead letter${meaning({ text: now.text })}.`
        : 'No dead letter fits.',
    )
    pages.update(page)
    groups.update(page.groups, now.error)
    reason.offer([['', 'any reason'], ...pairs(page.reasons)])
    task.offer([['', 'any task'], ...pairs(page.tasks)])
    all.checked = page.items.length > 0 && page.items.every(({ id }) => chosen.has(id))
    const known = page.more ? `At least ${count(page.inAll)}` : count(page.inAll)
    const why = Object.entries(page.reasons).map(([name, number]) => `${count(number)} ${visible(name)}`)
    setText(
      note,
      page.inAll === 0
        ? `${visible(queue)} holds no dead letter${meaning({ text: now.text })}.`
        : `${known} dead letter${page.inAll === 1 ? '' : 's'}${meaning({ text: now.text })}: ${why.join(', ')}. Looked at ${clock(page.at)}.`,
    )
    bar?.update()
  }

  const update = () => {
    for (const filter of filters) filter.update(now)
  }
  update()
  void load.now()
  return {
    title: visible(queue),
    element: h(
      'div',
      { class: 'view dead-letters' },
      ...[
        head.element,
        note,
        filterBar(...filters),
        load.note,
        groups.element,
        bar?.element,
        table.element,
        pages.element,
      ].filter(Boolean),
    ),
    query(next) {
      now = next
      update()
      void load.now()
    },
    close() {
      load.close()
      words.close()
    },
  }
}

const pairs = (counts) => Object.entries(counts).map(([name, number]) => [name, `${visible(name)} (${count(number)})`])

/** Which dead letters a filter means, as the end of a sentence. */
const meaning = ({ reason, task, text, age, error }) =>
  [
    reason ? ` that ended as ${visible(reason)}` : '',
    task ? ` of the task ${visible(task)}` : '',
    text ? ` with “${visible(text)}”` : '',
    age ? `, dead for ${AGES.find(([value]) => value === age)?.[1] ?? age}` : '',
    error ? ` that died of “${visible(error)}”` : '',
  ].join('')

/** What killed them, the most frequent first; one can be chosen. */
function groupsOf() {
  const body = h('ol', { class: 'groups' })
  const rows = keyed(
    body,
    ({ error }) => error,
    ({ error }) => {
      const [number, tasks, when] = [
        h('span', { class: 'figure' }),
        h('span', { class: 'quiet' }),
        h('span', { class: 'quiet' }),
      ]
      const button = h(
        'button',
        {
          type: 'button',
          class: 'group',
          'aria-pressed': 'false',
          onclick: () => {
            const is = button.getAttribute('aria-pressed') === 'true'
            setQuery({ error: is ? '' : error, page: '' }, { replace: true })
          },
        },
        number,
        h('span', { class: 'group-error' }, visible(error)),
        tasks,
        when,
      )
      return {
        element: h('li', {}, button),
        update(group) {
          setText(number, count(group.count))
          setText(tasks, group.tasks.map(visible).join(', '))
          setText(when, group.to === undefined ? '' : `last ${ago(group.to)}`)
          setAttribute(button, 'aria-pressed', String(group.chosen))
        },
      }
    },
  )
  const panel = section('By error', { name: 'by-error' }, body)
  return {
    element: panel,
    update(all, chosen) {
      panel.hidden = all.length === 0
      rows(all.map((group) => ({ ...group, chosen: group.error === chosen })))
    },
  }
}

/** Stays in sight: what is chosen, how fast, and the two acts. */
function actBar(chosen, act, total) {
  const text = h('p', { role: 'status' })
  const rate = h('input', { id: 'dlq-rate', type: 'number', min: '1', max: '10000', placeholder: 'no limit' })
  const none = h('button', { type: 'button', class: 'as-link', onclick: () => clear() }, 'Select none')
  const redrive = h(
    'button',
    { type: 'button', class: 'primary', onclick: () => act('redrive', redrive) },
    'Send back …',
  )
  const purge = h('button', { type: 'button', class: 'danger', onclick: () => act('purge', purge) }, 'Remove …')
  const clear = () => {
    chosen.clear()
    for (const box of document.querySelectorAll('.dead-letters input[type=checkbox]')) box.checked = false
    update()
  }
  const element = h(
    'div',
    { class: 'act-bar' },
    h('div', {}, text, none),
    h('div', { class: 'field in-line' }, h('label', { for: 'dlq-rate' }, 'At most a second'), rate),
    h('div', { class: 'acts' }, redrive, purge),
  )
  const update = () => {
    const all = total() ?? 0
    setText(text, chosen.size > 0 ? `${plural(chosen.size, 'dead letter')} selected` : `All ${count(all)} that fit`)
    none.hidden = chosen.size === 0
    element.hidden = all === 0 && chosen.size === 0
  }
  update()
  return {
    element,
    update,
    rate: () => (Number.isFinite(rate.valueAsNumber) && rate.valueAsNumber > 0 ? rate.valueAsNumber : undefined),
  }
}

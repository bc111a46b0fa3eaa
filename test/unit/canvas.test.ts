/** What has to be sent for a Celery canvas: pure, as src/flow/canvasSteps.ts makes it, and what is refused of it. */
import { describe, expect, it } from 'vitest'
import { type CanvasStep, stepsOf } from '../../src/flow/canvasSteps.js'
import { type Canvas, canvasIn, hasChord, type Signature } from '../../src/wire/canvas.js'

const task = (name: string, more: object = {}) => ({
  ...{ task: name, args: [], kwargs: {}, options: {}, subtask_type: null, immutable: false },
  ...more,
})
const chainOf = (...tasks: object[]) => task('celery.chain', { kwargs: { tasks }, subtask_type: 'chain' })
const groupOf = (...tasks: object[]) => task('celery.group', { kwargs: { tasks }, subtask_type: 'group' })
const chordOf = (header: object, body: object) =>
  task('celery.chord', { kwargs: { header, body, kwargs: {} }, subtask_type: 'chord' })

const read = (...chain: object[]): Canvas =>
  canvasIn({ callbacks: null, errbacks: [], chain, chord: null }, false) as Canvas
const only = (signature: object): Signature => read(signature).chain[0] as Signature
const steps = (signature: object, chain: object[] = []): CanvasStep[] =>
  stepsOf(only(signature), [7], {
    ...{ seed: 'before/chain', chain: chain.length === 0 ? [] : read(...chain).chain },
    ...{ rootId: 'root', parentId: 'before', now: 0 },
  })
const sent = (all: readonly CanvasStep[]) => all.filter((each) => each.kind === 'send').map(({ envelope }) => envelope)

describe('A signature', () => {
  it('takes the result as its first argument, unless it is immutable', () => {
    expect(sent(steps(task('a.b', { args: [1] })))).toMatchObject([{ task: 'a.b', args: [7, 1], parentId: 'before' }])
    expect(sent(steps(task('a.b', { args: [1], immutable: true })))).toMatchObject([{ args: [1] }])
  })

  it('has the id that its client chose, or the same one each time', () => {
    expect(sent(steps(task('a.b', { options: { task_id: 'mine' } })))[0]?.id).toBe('mine')
    const [first, second] = [sent(steps(task('a.b'))), sent(steps(task('a.b')))]
    expect(first[0]?.id).toMatch(/^[0-9a-f-]{36}$/)
    expect(second[0]?.id).toBe(first[0]?.id)
  })

  it('goes where its options say, or to its domain', () => {
    const routes = [{}, { queue: 'q' }, { exchange: 'x', routing_key: 'k' }, { exchange: 'x' }].map((options) => {
      const [each] = steps(task('a.b.c', { options }))
      return each?.kind === 'send' ? each.route : undefined
    })
    expect(routes).toEqual([
      { exchange: 'a.commands', routingKey: 'a.b.c' },
      { exchange: '', routingKey: 'q' },
      { exchange: 'x', routingKey: 'k' },
      { exchange: 'x', routingKey: 'a.b.c' },
    ])
  })
})

it('A chain sends its first task, with the rest in reverse, and what follows it behind', () => {
  const [first, ...none] = sent(steps(chainOf(task('a.one'), task('a.two'), task('a.three')), [task('a.last')]))
  expect(none).toEqual([])
  expect(first?.task).toBe('a.one')
  expect(first?.canvas?.chain.map((each) => each.task)).toEqual(['a.last', 'a.three', 'a.two'])
})

it('A group that something follows becomes the header of a chord; groups in it are its own', () => {
  const all = steps(
    chainOf(groupOf(task('a.one'), groupOf(task('a.two'), task('a.three'))), task('a.sum'), task('a.end')),
  )
  const members = sent(all)
  expect(all[0]).toMatchObject({ kind: 'size', size: 3, group: members[0]?.group })
  expect(members.map(({ groupIndex }) => groupIndex)).toEqual([0, 1, 2])
  expect(new Set(members.map(({ id }) => id)).size).toBe(3)
  for (const { canvas } of members) {
    expect(canvas?.chord).toMatchObject({ task: 'a.sum', options: { chain: [{ task: 'a.end' }] } })
  }
})

it('Of a chain in a header, the last task counts for the chord', () => {
  const [member] = sent(steps(chordOf(groupOf(chainOf(task('a.one'), task('a.two'))), task('a.body'))))
  expect(member).toMatchObject({ task: 'a.one', canvas: { chord: undefined } })
  expect(member?.canvas?.chain[0]).toMatchObject({ options: { chord: { task: 'a.body' }, group_index: 0 } })
})

it('A chord without members is its body, with no results', () => {
  expect(sent(steps(chordOf([], task('a.body'))))).toMatchObject([{ task: 'a.body', args: [[]] }])
})

it.each([
  ['a task without a domain', task('accumulate'), /accumulate has no place to go/],
  ["Celery's own tasks", task('celery.map'), /celery.map has no place to go/],
  ['one deep within', chainOf(task('a.b', { options: { link: [task('nowhere')] } })), /nowhere has no place to go/],
  [
    'a chain in a header that ends with a group',
    chordOf(groupOf(chainOf(groupOf(task('a.b')))), task('a.c')),
    /ends with a group/,
  ],
])('Refused before anything runs: %s', (_what, signature, reason) => {
  expect(read(signature).refused).toMatch(reason)
})

it('What is for Python workers in a member of a flow is passed by; anything else stays', () => {
  const link = { callbacks: [task('warren.flow.succeeded')], errbacks: [task('warren.flow.failed')] }
  expect(canvasIn(link, true)).toBeUndefined()
  expect(canvasIn(link, false)?.callbacks).toHaveLength(1)
  expect(hasChord(read(chainOf(task('a.b'), chordOf([], task('a.c')))))).toBe(true)
  expect(hasChord(read(task('a.b')))).toBe(false)
})

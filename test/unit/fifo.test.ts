import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Fifo } from '../../src/send/fifo.js'

it('does what an array does, whatever is done with it', () => {
  const step = fc.oneof(
    fc.record({ does: fc.constant('push' as const), item: fc.integer() }),
    fc.record({ does: fc.constant('unshift' as const), items: fc.array(fc.integer(), { maxLength: 4 }) }),
    fc.record({ does: fc.constant('shift' as const) }),
    fc.record({ does: fc.constant('filter' as const) }),
    fc.record({ does: fc.constant('take' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const fifo = new Fifo<number>()
      let array: number[] = []
      for (const each of steps) {
        if (each.does === 'push') {
          fifo.push(each.item)
          array.push(each.item)
        } else if (each.does === 'unshift') {
          fifo.unshift(each.items)
          array.unshift(...each.items)
        } else if (each.does === 'shift') {
          expect(fifo.shift()).toBe(array.shift())
        } else if (each.does === 'filter') {
          fifo.filter((item) => item % 2 === 0)
          array = array.filter((item) => item % 2 === 0)
        } else {
          expect(fifo.take()).toEqual(array)
          array = []
        }
        expect([...fifo]).toEqual(array)
        expect(fifo).toHaveLength(array.length)
      }
    }),
  )
})

it('keeps its order when many have left', () => {
  const fifo = new Fifo<number>()
  for (let number = 0; number < 25_000; number++) fifo.push(number)
  for (let number = 0; number < 24_999; number++) expect(fifo.shift()).toBe(number)
  expect([...fifo]).toEqual([24_999])
})

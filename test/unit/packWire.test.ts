/** A pack as bytes, and the options of a task that is sent in packs. */
import type { ConsumeMessage } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { defineTask, MessageError } from '../../src/index.js'
import type { Packable } from '../../src/send/packer.js'
import { headers } from '../../src/wire/names.js'
import { encodePack, membersOf, PACK_CONTENT_TYPE, packedMember } from '../../src/wire/pack.js'
import type { MessageParts } from '../support/harness/index.js'
import { encoded, input, packOf, task } from '../support/packTask.js'

describe('On the wire', () => {
  const delivered = ({ content, properties }: MessageParts) =>
    ({
      content,
      properties,
      fields: { exchange: 'payment.commands', routingKey: task.name },
    }) as unknown as ConsumeMessage

  it('each member comes out as the message that it would be by itself', () => {
    const alone = [encoded('a', 1, { tags: ['x'], sent: 5 }), encoded('ü', 2, { expires: new Date(0) })]
    const { content, properties } = encodePack('p', alone[0] as Packable['message'], alone.map(packedMember))
    expect(properties).toMatchObject({
      contentType: PACK_CONTENT_TYPE,
      messageId: 'p',
      persistent: true,
      mandatory: true,
    })
    expect(properties.headers).toEqual({ lang: 'js', task: task.name, [headers.pack]: 2 })
    const members = membersOf(delivered({ content, properties: { ...properties } }))
    expect(members.map((each) => each.content.toString())).toEqual(alone.map((each) => each.content.toString()))
    for (const [index, { properties: own }] of members.entries()) {
      const { headers: sent, messageId, contentType } = (alone[index] as Packable['message']).properties
      expect(own).toMatchObject({ messageId, contentType, correlationId: messageId })
      expect(own.headers).toEqual(sent)
    }
  })

  const whole = packOf(['a', 'b'])
  const content = whole.content as Buffer
  it.each([
    ['a count that is not its own', packOf(['a', 'b'], { properties: { headers: { [headers.pack]: 3 } } })],
    ['fewer than it has', packOf(['a', 'b'], { properties: { headers: { [headers.pack]: 1 } } })],
    ['no count', packOf(['a', 'b'], { properties: { headers: { [headers.pack]: 'two' } } })],
    ['an end that is missing', { ...whole, content: content.subarray(0, content.length - 1) }],
    ['headers that are no JSON', { ...whole, content: Buffer.concat([Buffer.from('{'), content]) }],
    ['headers that are no object', { ...whole, content: Buffer.from('[]\n[]\n[]\n[]\n') }],
    ['no content', { ...whole, content: Buffer.alloc(0) }],
  ])('%s makes it unreadable', (_what, parts) => {
    expect(() => membersOf(delivered(parts))).toThrow(MessageError)
  })
})

describe('defineTask', () => {
  it.each([
    [{ limit: { concurrency: 1 } }, /without `limit`/],
    [{ order: { key: () => 'a' } }, /without `order`/],
    [{ priority: true }, /without `priority`/],
    [{ pack: { maxTasks: 1 } }, /`maxTasks` to be an integer from 2 to 1000, got: 1/],
    [{ pack: { maxTask: 9 } }, /unknown option `maxTask`, did you mean `maxTasks`/],
    [{ pack: true }, /`pack` to be an object, got: true/],
  ])('%j', (options, message) => {
    expect(() => defineTask({ name: 'a.b', input, pack: {}, ...options } as never)).toThrow(message)
  })
  it('has defaults', () => {
    expect(task.pack).toEqual({ maxTasks: 64, maxBytes: 65_536 })
  })
})

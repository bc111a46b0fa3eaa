/** The tags of a message, by which its sender can cancel all tasks with one tag at once. */

/** A message's headers share one AMQP frame. */
const MAX_TAGS = 16
const MAX_TAG_BYTES = 200

const EXPECTED = `a list of at most ${MAX_TAGS} tags, each a text of 1 to ${MAX_TAG_BYTES} bytes`

/** Undefined, or what was expected. */
export const isTag = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= MAX_TAG_BYTES
    ? undefined
    : `a text of 1 to ${MAX_TAG_BYTES} bytes`

/** Undefined, or what was expected. */
export const areTags = (value: unknown): string | undefined =>
  Array.isArray(value) && value.length <= MAX_TAGS && value.every((each) => isTag(each) === undefined)
    ? undefined
    : EXPECTED

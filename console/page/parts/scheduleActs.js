/** What can be done to a schedule. */
import { post } from '../api.js'
import { visible } from '../format.js'
import { actButton } from './act.js'
import { shortId } from './id.js'

export const scheduleAddress = ({ service, id }) =>
  `/schedules/${encodeURIComponent(service)}/${encodeURIComponent(id)}`

/** `after()` is called when one is done. */
export function scheduleActs({ service, id, task, paused }, after, { small = true } = {}) {
  const path = scheduleAddress({ service, id })
  const name = visible(id)
  const done = async (sentence) => {
    await after()
    return sentence
  }
  const trigger = actButton({
    ...{ text: 'Trigger …', label: `Trigger ${name}`, small },
    ask: () => ({
      title: `Trigger ${name} now?`,
      sentences: [
        `${visible(task)} is sent once, now, with the schedule’s input, whether the schedule is paused or its last task still runs.`,
        'Its ticks go on as before.',
      ],
      act: 'Send it now',
    }),
    act: async () => {
      const { taskId } = await post(`${path}/trigger`)
      return done(`Sent ${shortId(taskId)}`)
    },
  })
  const pause = actButton({
    ...{ text: 'Pause …', label: `Pause ${name}`, small },
    ask: () => ({
      title: `Pause ${name}?`,
      sentences: [
        'Nothing is sent until it is resumed. Ticks that come meanwhile are skipped, and not caught up.',
        'What it has sent runs all the same.',
      ],
      fields: [{ name: 'reason', label: 'Why (shown to everybody)', maxlength: '300' }],
      act: 'Pause the schedule',
    }),
    act: async ({ reason = '' }) => {
      await post(`${path}/pause`, reason === '' ? {} : { reason })
      return done(`${name} is paused`)
    },
  })
  const resume = actButton({
    ...{ text: 'Resume', label: `Resume ${name}`, small },
    act: async () => {
      await post(`${path}/resume`)
      return done(`${name} sends again`)
    },
  })
  const remove = actButton({
    ...{ text: 'Remove …', label: `Remove ${name}`, tone: 'danger', small },
    ask: () => ({
      title: `Remove ${name} for good?`,
      sentences: [
        'It sends nothing more. What it has sent runs all the same.',
        'An application that makes it when it starts makes it anew at its next start.',
      ],
      act: 'Remove the schedule',
    }),
    act: async () => {
      await post(`${path}/remove`)
      return done(`${name} is removed`)
    },
  })
  return [trigger, paused === undefined ? pause : resume, remove]
}

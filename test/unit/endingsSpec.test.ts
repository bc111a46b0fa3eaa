/** In memory, messages end as they do on a broker. */
import { testWarren } from '../../src/testing/index.js'
import { describeEndings } from '../support/endingsSpec.js'

describeEndings('In memory', async () => {
  const warren = await testWarren()
  return {
    warren,
    async pass(promise) {
      let over = false
      const ended = (): void => {
        over = true
      }
      promise.then(ended, ended)
      await warren.idle()
      while (!over) await warren.advance(50)
      return promise
    },
  }
})

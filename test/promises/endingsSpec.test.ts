/** The promise: on a broker, messages end as `warren/testing` says. */
import { connect } from '../../src/index.js'
import { virtualHost } from '../support/cluster.js'
import { describeEndings, ENDINGS_SERVICE, endingsTasks } from '../support/endingsSpec.js'
import { ownStore } from '../support/ownStore.js'

describeEndings('On a broker', async () => {
  const [urls, store] = await Promise.all([virtualHost(ENDINGS_SERVICE, endingsTasks), ownStore()])
  const warren = await connect({ broker: urls.broker, results: store.url, logger: false })
  return { warren, pass: (promise) => promise }
})

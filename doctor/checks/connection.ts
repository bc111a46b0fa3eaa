/** Whether the user of `--broker` gets a connection at every address. */
import { check, type Found } from '../check.js'

export const connection = check(
  'connection',
  "every broker address accepts the service user's connection",
  ['broker'],
  ({ broker, cluster }) =>
    broker.addresses.flatMap(({ address, problem, refused }): Found[] => {
      if (problem === undefined) return []
      if (refused) {
        return [
          {
            severity: 'hurts',
            finding: `${address} refuses the user ${broker.user}: ${problem}.`,
            why: 'Its workers and senders do not start.',
            fix: 'Check user, password and virtual host of --broker: rabbitmqctl authenticate_user and rabbitmqctl list_permissions.',
          },
        ]
      }
      // A node that is down is reported by another check.
      if (cluster?.nodes.some(({ running }) => !running)) return []
      return [
        {
          severity: 'hurts',
          finding: `${address} does not accept AMQP connections: ${problem}.`,
          why: 'Workers and senders without another address cannot connect.',
          fix: 'Start the server at that address (the node, or the proxy in front of it), or remove the address.',
        },
      ]
    }),
)

/** What became of a message: it is the broker's word that counts, not the outcome of the attempt. */
export type Settled = 'acknowledged' | 'returned' | 'lost'

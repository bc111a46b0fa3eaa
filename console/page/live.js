/** What the stream brought, as far as views need it when they open. Bounded. */

/** One hour at a row each two seconds, as the server keeps it. */
const MOST_ROWS = 1_800
const MOST_HAPPENINGS = 200

export class Live {
  /** Undefined before the server has looked. */
  moment
  happenings = []
  burst
  drill
  #names = []
  /** Columns: seconds since 1970, then one for each series. */
  #columns = []

  take(event, data) {
    if (event === 'hello') {
      this.moment = data.moment ?? undefined
      this.happenings = data.happenings.slice(-MOST_HAPPENINGS)
      this.burst = data.burst ?? undefined
      this.drill = data.drill ?? undefined
      this.#names = data.series
      this.#columns = [[], ...data.series.map(() => [])]
      for (const row of data.rows) this.#append(row)
    } else if (event === 'moment') this.moment = data
    else if (event === 'row') this.#append(data)
    else if (event === 'burst') this.burst = data
    else if (event === 'drill') this.drill = data
    else if (event === 'happening') {
      this.happenings.push(data)
      if (this.happenings.length > MOST_HAPPENINGS) this.happenings.shift()
    }
  }

  /** The values of a series, `time` among them, of the last so many seconds. */
  column(name, seconds) {
    const [times = []] = this.#columns
    const from = (times.at(-1) ?? 0) - seconds
    const first = times.findIndex((time) => time >= from)
    const column = name === 'time' ? times : (this.#columns[this.#names.indexOf(name) + 1] ?? [])
    return column.slice(Math.max(0, first))
  }

  #append(row) {
    for (const [index, value] of row.entries()) {
      this.#columns[index]?.push(value)
      if (this.#columns[index]?.length > MOST_ROWS) this.#columns[index].shift()
    }
  }
}

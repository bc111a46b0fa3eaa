/**
 * What the views of filtered lists share: the list is asked for by what the address says, whenever that changes, and again with
 * each look of the server's.
 */
import { loader } from '../loader.js'

/** `asked`: the names in the address that the server knows. `filters` show what is chosen; `show` gets each answer. */
export function filteredList({ path, query, asked, filters, show, ...pace }) {
  let now = query
  const load = loader(
    () => `${path}?${new URLSearchParams(asked.flatMap((name) => (now[name] ? [[name, now[name]]] : [])))}`,
    show,
    pace,
  )
  const begin = () => {
    for (const filter of filters) filter.update(now)
    void load.now()
  }
  return {
    note: load.note,
    /** Asks anew, in place of what is under way. */
    now: load.now,
    /** What the address says now. */
    query: () => now,
    /** `moment` gets each look of the server's before the list is asked for again. */
    view(title, element, moment) {
      begin()
      return {
        title,
        element,
        query(next) {
          now = next
          begin()
        },
        on(event, data) {
          if (event !== 'moment') return
          moment?.(data)
          load.again()
        },
        close() {
          load.close()
          for (const filter of filters) filter.close?.()
        },
      }
    },
  }
}

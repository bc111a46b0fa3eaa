// A file of its own: declarations that import it must not need prom-client, which may not be installed.

/** A `Registry` of prom-client, which is optional: these types hold where it is not installed, too. */
export interface MetricsRegistry {
  readonly contentType: string
  metrics(): Promise<string>
}

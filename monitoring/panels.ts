/** The few kinds of panels that the dashboards are made of, on Grafana's typed builders. Pure. */
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog'
import {
  BigValueColorMode,
  GraphGradientMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table'
import { PanelBuilder as SeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'

/** The one data source; its uid is fixed by the provisioning file. */
const SOURCE = { type: 'prometheus', uid: 'prometheus' }

export const DASHBOARDS = {
  system: 'warren',
  queue: 'warren-queue',
  task: 'warren-task',
  rabbitmq: 'rabbitmq',
} as const

/** Expressions by their legend. A legend with `{{label}}` names one line for each series. */
export type Lines = Readonly<Record<string, string>>

interface Common {
  readonly title: string
  /** What it shows, and what to make of it. */
  readonly about: string
  readonly unit?: string
  /** Of 24 columns. */
  readonly width: number
}

/** Opens another dashboard for what was clicked on. */
export interface Drill {
  readonly to: 'queue' | 'task'
}

const PATHS = {
  queue: `/d/${DASHBOARDS.queue}?var-queue=`,
  task: `/d/${DASHBOARDS.task}?var-task=`,
} as const

const openLink = (title: string, url: string) =>
  new DashboardLinkBuilder(title).type(DashboardLinkType.Link).url(`${url}&\${__url_time_range}`)

const lines = (queries: Lines): Builder<Dataquery>[] =>
  Object.entries(queries).map(([legend, expr], index) =>
    new DataqueryBuilder()
      .refId(String.fromCharCode(65 + index))
      .datasource(SOURCE)
      .expr(expr)
      .legendFormat(legend)
      .range(),
  )

/** One figure, large. `bad` is where it turns red; below or at it with `under`. */
export function stat(
  options: Common & { readonly expr: string; readonly bad?: number; readonly under?: boolean },
): Builder<Panel> {
  const { title, about, unit = 'short', width, expr, bad, under = false } = options
  const [calm, loud] = under ? ['red', 'green'] : ['green', 'red']
  const steps: Threshold[] = [{ color: calm, value: null }]
  if (bad !== undefined) steps.push({ color: loud, value: bad })
  return new StatBuilder()
    .title(title)
    .description(about)
    .datasource(SOURCE)
    .unit(unit)
    .height(4)
    .span(width)
    .colorMode(bad === undefined ? BigValueColorMode.None : BigValueColorMode.Value)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps))
    .targets(lines({ [title]: expr }))
}

/** Lines over time. */
export function series(
  options: Common & { readonly queries: Lines; readonly stacked?: boolean; readonly drill?: Drill },
): Builder<Panel> {
  const { title, about, unit = 'short', width, queries, stacked = false, drill } = options
  const panel = new SeriesBuilder()
    .title(title)
    .description(about)
    .datasource(SOURCE)
    .unit(unit)
    .min(0)
    .height(8)
    .span(width)
    .fillOpacity(stacked ? 40 : 8)
    .lineWidth(1)
    .gradientMode(GraphGradientMode.None)
    .showPoints(VisibilityMode.Never)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
    .targets(lines(queries))
  if (stacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'))
  if (drill) {
    panel.dataLinks([openLink(`Open this ${drill.to}`, `${PATHS[drill.to]}\${__field.labels.${drill.to}}`)])
  }
  return panel
}

/** One row for each value of the label `by`, one column for each expression. The first column leads on. */
export function table(
  options: Common & {
    readonly by: Drill['to']
    readonly columns: Lines
    readonly units?: Readonly<Record<string, string>>
  },
): Builder<Panel> {
  const { title, about, width, by, columns, units = {} } = options
  const names = Object.keys(columns)
  const panel = new TableBuilder()
    .title(title)
    .description(about)
    .datasource(SOURCE)
    .height(8)
    .span(width)
    .targets(
      Object.values(columns).map((expr, index) =>
        new DataqueryBuilder()
          .refId(String.fromCharCode(65 + index))
          .datasource(SOURCE)
          .expr(expr)
          .format(PromQueryFormat.Table)
          .instant(),
      ),
    )
    .withTransformation({ id: 'joinByField', options: { byField: by, mode: 'outer' } })
    .withTransformation({
      id: 'organize',
      options: {
        excludeByName: Object.fromEntries(
          ['Time', ...names.map((_, index) => `Time ${index + 1}`)].map((n) => [n, true]),
        ),
        renameByName: Object.fromEntries(
          names.map((name, index) => [
            names.length === 1 ? 'Value' : `Value #${String.fromCharCode(65 + index)}`,
            name,
          ]),
        ),
      },
    })
    .overrideByName(by, [
      {
        id: 'links',
        value: [openLink(`Open this ${by}`, `${PATHS[by]}\${__value.text}`).build()],
      },
    ])
  for (const [name, unit] of Object.entries(units)) panel.overrideByName(name, [{ id: 'unit', value: unit }])
  return panel
}

/** A dashboard of rows of panels. */
export function dashboard(options: {
  readonly uid: string
  readonly title: string
  readonly about: string
  /** Panels by the title of their row. */
  readonly rows: Readonly<Record<string, readonly Builder<Panel>[]>>
  /** What the dashboard is opened for: a label, and the metric that knows its values. */
  readonly variable?: { readonly name: string; readonly query: string }
}): Dashboard {
  const builder = new DashboardBuilder(options.title)
    .uid(options.uid)
    .description(options.about)
    .tags(['warren'])
    .readonly()
    .refresh('10s')
    .time({ from: 'now-15m', to: 'now' })
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .link(
      new DashboardLinkBuilder('Dashboards')
        .type(DashboardLinkType.Dashboards)
        .tags(['warren'])
        .asDropdown(false)
        .keepTime(true),
    )
  if (options.variable) {
    const { name, query } = options.variable
    builder.withVariable(
      new QueryVariableBuilder(name)
        .label(name)
        .datasource(SOURCE)
        .query({ query, refId: 'variable' })
        .refresh(VariableRefresh.OnTimeRangeChanged)
        .sort(VariableSort.AlphabeticalAsc),
    )
  }
  for (const [title, panels] of Object.entries(options.rows)) {
    builder.withRow(new RowBuilder(title))
    for (const panel of panels) builder.withPanel(panel)
  }
  return builder.build()
}

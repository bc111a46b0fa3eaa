/** The report's style: one set of named colours for light and one for dark. */
export const STYLE = `
:root { color-scheme: light dark; --page: #fbfbfa; --card: #ffffff; --text: #1d1f23; --quiet: #62666e; --line: #e2e3e6;
  --user: #2a78d6; --payment: #c2571a; --fault: #c62828; --repair: #1f7a3d; --band: #c6282814; --good: #e3f3e7; --bad: #fbe4e4; --skip: #ececee; }
@media (prefers-color-scheme: dark) { :root { --page: #16181b; --card: #1e2125; --text: #e8e9eb; --quiet: #9aa0a8; --line: #33373d;
  --user: #63a4f5; --payment: #f0924f; --fault: #ff7a70; --repair: #6fd08c; --band: #ff7a701c; --good: #1c3a26; --bad: #4a2020; --skip: #33373d; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem }
h1 { font-size: 1.7rem; line-height: 1.2 } h2 { font-size: 1.2rem; margin: 0 0 .4rem }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.2rem; margin: 1.2rem 0 }
p { margin: .4rem 0 } .quiet { color: var(--quiet) } a { color: inherit }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: .88rem }
th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; font-variant-numeric: tabular-nums }
th { color: var(--quiet); font-weight: 500 } th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left }
.badge { font-size: .8rem; font-weight: 600; padding: .1rem .5rem; border-radius: 99px; vertical-align: middle; background: var(--skip) }
.badge.passed { background: var(--good); color: var(--repair) } .badge.failed { background: var(--bad); color: var(--fault) }
.reasons { border-left: 3px solid var(--fault); margin: .6rem 0; padding: .2rem 0 .2rem 1.6rem }
.note { border: 1px solid var(--fault); border-radius: 8px; padding: .6rem .9rem }
dl { display: flex; flex-wrap: wrap; gap: .2rem 1.6rem; margin: .8rem 0 } dl div { min-width: 5rem }
dt { color: var(--quiet); font-size: .8rem } dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums }
figure { margin: .8rem 0 } svg { display: block; width: 100%; min-width: 34rem; height: auto }
.legend { font-size: .82rem; color: var(--quiet) } .key { display: inline-block; width: 1.1rem; height: .2rem; margin: 0 .3rem .2rem .9rem; vertical-align: middle }
.legend .key:first-child { margin-left: 0 } .key.user { background: var(--user) } .key.payment { background: var(--payment) }
.key.band { background: var(--band); height: .8rem; border: 1px solid var(--line) } .key.rate { border-top: 1px dashed var(--quiet); height: 0 }
svg text { fill: var(--quiet); font: 11px system-ui, sans-serif } svg .title { fill: var(--text); font-size: 12px }
polyline { fill: none; stroke-width: 1.6; stroke-linejoin: round } .user { stroke: var(--user) } .payment { stroke: var(--payment) }
.base { stroke: var(--line) } .rate { stroke: var(--quiet); stroke-dasharray: 4 4; stroke-opacity: .6 } .band { fill: var(--band) }
.mark line { stroke: var(--quiet); stroke-opacity: .35 } .mark.fault line { stroke: var(--fault); stroke-opacity: 1; stroke-width: 1.4 }
.mark.repair line { stroke: var(--repair); stroke-opacity: 1; stroke-width: 1.4 } .mark.fault text { fill: var(--fault) } .mark.repair text { fill: var(--repair) }
.events { font-size: .9rem; padding-left: 2rem; margin: .4rem 0 } .events .at { color: var(--quiet); font-variant-numeric: tabular-nums }
.events .fault { color: var(--fault) } .events .repair { color: var(--repair) }
`

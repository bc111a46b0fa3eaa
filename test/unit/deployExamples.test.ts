/** What docs/how-to/deploy-worker.md shows for systemd and Kubernetes is valid, and lets a worker finish what it holds. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Deployment } from 'kubernetes-models/apps/v1'
import { expect, it, onTestFinished } from 'vitest'
import { parse } from 'yaml'
import { defaults } from '../../src/index.js'

const text = (name: string): string => readFileSync(new URL(`../../examples/deploy/${name}`, import.meta.url), 'utf8')
const graceSeconds = defaults.gracePeriodMs / 1_000

it('worker.yaml fits the schema of Kubernetes', () => {
  const manifest = parse(text('worker.yaml'))
  new Deployment(manifest).validate()
  const { template } = manifest.spec
  expect(template.spec.terminationGracePeriodSeconds).toBeGreaterThan(graceSeconds)
  expect(template.metadata.labels).toMatchObject(manifest.spec.selector.matchLabels)
  const [{ ports, readinessProbe, livenessProbe }] = template.spec.containers
  expect([readinessProbe.httpGet.port, livenessProbe.tcpSocket.port]).toEqual([ports[0].name, ports[0].name])
})

it('worker.service is a unit, and systemd has nothing to say against it where it is there', () => {
  const unit = text('worker.service')
  expect(unit.match(/^\[\w+\]$/gm)).toEqual(['[Unit]', '[Service]', '[Install]'])
  expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(graceSeconds)
  const folder = mkdtempSync(join(tmpdir(), 'warren-unit-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'worker@1.service')
  // Where Node is differs.
  writeFileSync(file, unit.replace('/usr/bin/node', process.execPath))
  const { stderr, status, error } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' })
  if (error === undefined)
    expect({ status, said: stderr.includes('worker@1.service:') }).toEqual({ status: 0, said: false })
})

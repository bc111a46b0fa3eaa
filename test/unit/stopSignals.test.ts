import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { exitCodeOf, onStopSignals } from '../../demo/stopSignals.js'

describe('Signals to stop', () => {
  const first = vi.fn()
  const again = vi.fn()
  let off: () => void
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] })
    vi.resetAllMocks()
    off = onStopSignals(first, again)
  })
  afterEach(() => {
    off()
    vi.useRealTimers()
  })

  it('a Ctrl-C that npm passes on a second time is the same one', () => {
    process.emit('SIGINT', 'SIGINT')
    vi.advanceTimersByTime(30)
    process.emit('SIGINT', 'SIGINT')
    expect(first.mock.calls).toEqual([['SIGINT']])
    expect(again).not.toHaveBeenCalled()
  })

  it('a later one, of any kind, says: at once', () => {
    process.emit('SIGINT', 'SIGINT')
    vi.advanceTimersByTime(501)
    process.emit('SIGTERM', 'SIGTERM')
    expect(first).toHaveBeenCalledOnce()
    expect(again.mock.calls).toEqual([['SIGTERM']])
  })

  it('after they were taken off, nothing is called', () => {
    off()
    const other = vi.fn()
    process.on('SIGHUP', other)
    process.emit('SIGHUP', 'SIGHUP')
    process.off('SIGHUP', other)
    expect(first).not.toHaveBeenCalled()
  })

  it('exit codes are those of a shell', () => {
    expect([exitCodeOf('SIGHUP'), exitCodeOf('SIGINT'), exitCodeOf('SIGTERM')]).toEqual([129, 130, 143])
  })
})

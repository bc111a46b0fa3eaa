"""Celery's worker in the benchmark: the same lines as `program.ts` says, and ends when its stdin does."""
import os
import signal
import sys
import threading
import time

import bench_app
from bench_app import SETUP, VARIANT, app, say
from celery.signals import worker_ready

begun = 0


def on_begin():
    global begun
    begun += 1
    if begun == 1:
        say({'first': True})


bench_app.on_begin = on_begin


@worker_ready.connect
def announce(**_):
    say({'ready': True})
    threading.Thread(target=end_with_stdin, daemon=True).start()
    if 'reportEveryMs' in SETUP:
        threading.Thread(target=report, daemon=True).start()


def end_with_stdin():
    sys.__stdin__.read()
    os.kill(os.getpid(), signal.SIGTERM)


def report():
    while True:
        time.sleep(SETUP['reportEveryMs'] / 1000)
        say({'began': begun})


POOLS = {'reference': ('prefork', 1), 'tuned-prefork': ('prefork', 1), 'tuned-threads': ('threads', 4)}
pool, concurrency = POOLS.get(VARIANT, ('solo', 1))
app.Worker(
    pool=pool, concurrency=concurrency, loglevel='WARNING', quiet=True,
    without_gossip=True, without_mingle=True, without_heartbeat=VARIANT != 'reference',
).start()

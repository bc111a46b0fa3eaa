"""The Celery application that both the client and the worker of the benchmark use, and how each variant is set.

reference: as the system that Warren is measured against has it. Each publish waits for its confirm, a message is
           acknowledged after its task, one prefork child per worker.
tuned:     what Celery's optimizing guide and its documentation of workers offer for short tasks. No confirms, messages
           acknowledged when they come, a large prefetch, the solo pool (no hop to a child process or a thread), no events, no gossip.
tuned-prefork, tuned-threads:
           the same with other pools, to show which is the fastest: one child, or four threads, for each worker.
threads:   publishes with confirms, from several threads with a connection each: the way to have more than one publish
           unconfirmed.
"""
import json
import os
import sys
import time

from celery import Celery
from kombu import Exchange, Queue
from kombu.transport.pyamqp import Transport

SETUP = json.loads(os.environ['BENCH_SETUP'])
VARIANT = sys.argv[1]
SERVICE = 'bench'
THREADS = 8

# Celery 5.2 sets its prefetch for the whole channel, which quorum queues refuse; per consumer they take it.
Transport.qos_semantics_matches_spec = lambda self, connection: True

app = Celery('bench', broker=SETUP['broker'], backend=SETUP['results'])
exchange = Exchange('bench.commands', type='topic', durable=True)
short = SETUP['tasksAre'] == 'short'
confirms = VARIANT in ('reference', 'threads')

app.conf.update(
    task_queues=[
        Queue(f'{task}.{SERVICE}', exchange, routing_key=task, durable=True,
              queue_arguments={'x-queue-type': SETUP['queueType']})
        for task in SETUP['tasks']
    ],
    task_default_queue=f'{SETUP["tasks"][0]}.{SERVICE}',
    broker_transport_options={'confirm_publish': confirms},
    broker_pool_limit=THREADS + 2 if VARIANT == 'threads' else 10,
    task_acks_late=VARIANT == 'reference' or not short,
    worker_prefetch_multiplier=1 if not short else (4 if VARIANT == 'reference' else 128),
    # Remote control and events would declare queues and exchanges of their own.
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    task_send_sent_event=False,
    result_expires=86_400,
)


@app.task(name=SETUP['tasks'][0])
def noop(text, ms):
    on_begin()
    if ms > 0:
        time.sleep(ms / 1000)
    return {'ok': True}


def on_begin():
    """Replaced by the worker."""


def say(line):
    # Celery redirects `sys.stdout` into its log. One write for each line: children share the pipe.
    os.write(1, (json.dumps(line) + '\n').encode())

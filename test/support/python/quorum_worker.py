"""A Celery worker on a quorum queue, from Celery 5.5 on: earlier ones set a global prefetch, which quorum queues refuse.

    /usr/bin/python3 quorum_worker.py --broker amqp://… --results redis://…

Consumes `payment.remote.python`, bound to `payment.commands` for `payment.remote.*`. Declares Celery's delay levels when
it starts, as every such worker does. Prints the line `ready` once it consumes; SIGTERM stops it.

Tasks: `payment.remote.echo(**kwargs)` returns what the worker understood of the message; `payment.remote.values()` returns
values that JSON does not have.
"""
import argparse
import sys
import uuid
from datetime import datetime, timezone

from celery import Celery
from celery.signals import worker_ready
from kombu import Exchange, Queue

parser = argparse.ArgumentParser()
parser.add_argument('--broker', required=True)
parser.add_argument('--results', required=True)
options = parser.parse_args()

app = Celery('quorum_worker', broker=options.broker, backend=options.results)
QUEUE = 'payment.remote.python'
app.conf.update(
    task_queues=[
        Queue(QUEUE, Exchange('payment.commands', type='topic', durable=True), routing_key='payment.remote.*', durable=True,
              queue_arguments={'x-queue-type': 'quorum'}),
    ],
    task_default_queue=QUEUE,
    task_default_exchange='payment.commands',
    task_default_exchange_type='topic',
    task_default_routing_key='payment.remote.echo',
    task_acks_late=True,
    worker_enable_remote_control=False,
    result_extended=True,
)


@app.task(name='payment.remote.echo', bind=True)
def echo(self, **kwargs):
    return {'id': self.request.id, 'expires': self.request.expires, 'kwargs': kwargs}


@app.task(name='payment.remote.values')
def values():
    return {
        'at': datetime(2026, 11, 24, 10, 52, 21, 123456, tzinfo=timezone.utc),
        'key': uuid.UUID('6f1f2a4e-3f9c-4b7e-9f37-0d2f6d6b1a01'),
    }


@worker_ready.connect
def announce(**_):
    # Celery redirects `sys.stdout` into its log.
    print('ready', file=sys.__stdout__, flush=True)


app.Worker(
    pool='solo', without_gossip=True, without_mingle=True, without_heartbeat=True, loglevel='WARNING', quiet=True,
).start()

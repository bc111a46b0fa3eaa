"""A Celery worker, as a Python service next to Warren would have one: one process, one task at a time.

    /usr/bin/python3 worker.py --broker amqp://… --results redis://…

Consumes the durable classic queue `user.python.python-service`, bound to the durable topic exchange `user.commands`
for `user.python.*`: the same declarations that Warren makes, so that either may come first. Prints the line `ready`
once it consumes; SIGTERM stops it after the task in hand.

Tasks: `user.python.greet(name)` returns, `user.python.fail(reason)` raises, `user.python.request()` returns what the
worker understood of the message.
"""
import argparse
import sys

from celery import Celery
from celery.signals import worker_ready
from kombu import Exchange, Queue

parser = argparse.ArgumentParser()
parser.add_argument('--broker', required=True)
parser.add_argument('--results', required=True)
options = parser.parse_args()

app = Celery('worker', broker=options.broker, backend=options.results)
QUEUE = 'user.python.python-service'
app.conf.update(
    task_queues=[
        Queue(QUEUE, Exchange('user.commands', type='topic', durable=True), routing_key='user.python.*', durable=True,
              queue_arguments={'x-queue-type': 'classic'}),
    ],
    task_default_queue=QUEUE,
    task_acks_late=True,
    # Remote control and events would declare queues and exchanges of their own.
    worker_enable_remote_control=False,
)


class GreetingError(Exception):
    pass


@app.task(name='user.python.greet')
def greet(name):
    return {'greeting': f'Hello, {name}'}


@app.task(name='user.python.fail')
def fail(reason):
    raise GreetingError(reason)


@app.task(name='user.python.request', bind=True)
def request(self, **kwargs):
    got = self.request
    return {
        'id': got.id, 'rootId': got.root_id, 'parentId': got.parent_id, 'retries': got.retries, 'origin': got.origin,
        'correlationId': got.correlation_id, 'timelimit': got.timelimit, 'expires': got.expires, 'kwargs': kwargs,
    }


@worker_ready.connect
def announce(**_):
    # Celery redirects `sys.stdout` into its log.
    print('ready', file=sys.__stdout__, flush=True)


app.Worker(
    pool='solo', without_gossip=True, without_mingle=True, without_heartbeat=True, loglevel='WARNING', quiet=True,
).start()

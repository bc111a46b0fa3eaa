"""What a Celery client may do beside sending a task: a delay, a deadline, a group, stamps, values of Python's own types.

    /usr/bin/python3 calls.py --broker amqp://… --results redis://… --queue QUEUE TASK

QUEUE is the quorum queue of TASK, and declared in this client as such: from 5.5 on Celery then delays by its own levels,
where the broker has them (`--levels` declares them, as a Celery worker does when it starts). Prints one JSON object: by
the name of the call the status and the result of each task, and "version".
"""
import argparse
import json
import uuid
from datetime import datetime, timezone

import celery
from celery import Celery, group
from kombu import Exchange, Queue

parser = argparse.ArgumentParser()
parser.add_argument('--broker', required=True)
parser.add_argument('--results', required=True)
parser.add_argument('--queue', required=True)
parser.add_argument('--levels', action='store_true')
parser.add_argument('--only', action='append')
parser.add_argument('task')
options = parser.parse_args()

exchange = Exchange(options.task.split('.')[0] + '.commands', type='topic', durable=True)
app = Celery('calls', broker=options.broker, backend=options.results)
app.conf.update(
    broker_transport_options={'confirm_publish': True},
    task_queues=[
        Queue(options.queue, exchange, routing_key=options.task, durable=True, queue_arguments={'x-queue-type': 'quorum'}),
    ],
    task_default_queue=options.queue,
    task_default_exchange=exchange.name,
    task_default_exchange_type='topic',
    task_default_routing_key=options.task,
    task_create_missing_queues=False,
)
version = tuple(int(part) for part in celery.__version__.split('.')[:2])

if options.levels:
    from kombu.transport.native_delayed_delivery import declare_native_delayed_delivery_exchanges_and_queues
    with app.connection_for_write() as connection:
        declare_native_delayed_delivery_exchanges_and_queues(connection, 'quorum')


def task(name, **more):
    return app.signature(options.task, kwargs={'name': name, **more})


def send(name, **given):
    return [task(name).apply_async(**given)]


calls = {
    'plain': lambda: send('plain'),
    'countdown': lambda: send('countdown', countdown=2),
    'expires': lambda: send('expires', expires=60),
    'group': lambda: group(task(f'group-{n}') for n in range(3)).apply_async().results,
    'stamped': lambda: stamped(),
    'values': lambda: [task(
        'values', at=datetime(2026, 11, 24, 10, 52, 21, 123456, tzinfo=timezone.utc),
        key=uuid.UUID('6f1f2a4e-3f9c-4b7e-9f37-0d2f6d6b1a01'),
    ).apply_async()],
}


def stamped():
    signature = task('stamped')
    if version >= (5, 3):
        signature.stamp(tenant='t1')
    return [signature.apply_async()]


def report(pending):
    try:
        return {'id': pending.id, 'result': pending.get(timeout=25), 'status': pending.status}
    except Exception as error:  # whatever class the worker named
        return {'id': pending.id, 'error': type(error).__name__, 'status': pending.status}


wanted = {name: call for name, call in calls.items() if not options.only or name in options.only}
sent = {name: call() for name, call in wanted.items()}
print(json.dumps({'version': celery.__version__, **{name: [report(each) for each in all] for name, all in sent.items()}}))

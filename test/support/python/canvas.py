"""A Celery worker and a client in one process, since importing Celery takes seconds: starts canvases that it reads.

    /usr/bin/python3 canvas.py --broker amqp://… --results redis://… [--quorum]

The worker consumes `user.pycanvas.service`, bound to `user.commands` for `user.pycanvas.*`: `add(x, y=0)`, `total(of, plus=0)`,
`fail(reason)`, `seen(x)`, which keeps what it gets, and `list_seen()`. Prints the line `ready` once it consumes.

Each line of standard input is a canvas as JSON, run at once; its result is printed as a line {"call", "id", "status",
"result" or "error"}. A canvas is {"task", "args", "kwargs", "immutable", "unrouted", "link", "link_error"}, {"chain": […]},
{"group": […]} or {"chord": [[…], body]}, beside {"call": a number}.
"""
import argparse
import json
import sys
import threading

from celery import Celery, chain, chord, group
from celery.signals import worker_ready
from kombu import Exchange, Queue

parser = argparse.ArgumentParser()
parser.add_argument('--broker', required=True)
parser.add_argument('--results', required=True)
parser.add_argument('--quorum', action='store_true')
options = parser.parse_args()

app = Celery('canvas', broker=options.broker, backend=options.results)
QUEUE = 'user.pycanvas.service'
app.conf.update(
    task_queues=[
        Queue(QUEUE, Exchange('user.commands', type='topic', durable=True), routing_key='user.pycanvas.*', durable=True,
              queue_arguments={'x-queue-type': 'quorum' if options.quorum else 'classic'}),
    ],
    task_default_queue=QUEUE,
    task_acks_late=True,
    worker_enable_remote_control=False,
    broker_transport_options={'confirm_publish': True},
)
kept = []


@app.task(name='user.pycanvas.add')
def add(x, y=0):
    return x + y


@app.task(name='user.pycanvas.total')
def total(of, plus=0):
    return sum(of) + plus


@app.task(name='user.pycanvas.fail')
def fail(*args, reason='as asked'):
    raise ValueError(reason)


@app.task(name='user.pycanvas.seen')
def seen(x):
    kept.append(x)
    return x


@app.task(name='user.pycanvas.long')
def long(size):
    return 'x' * size


def built(given):
    if 'chain' in given:
        return chain(*[built(each) for each in given['chain']], app=app)
    if 'group' in given:
        return group([built(each) for each in given['group']], app=app)
    if 'chord' in given:
        header, body = given['chord']
        return chord([built(each) for each in header], built(body), app=app)
    name = given['task']
    route = {} if given.get('unrouted') else {'exchange': name.split('.')[0] + '.commands', 'routing_key': name, 'declare': []}
    made = app.signature(
        name, args=given.get('args', []), kwargs=given.get('kwargs', {}), immutable=given.get('immutable', False), **route,
    )
    for key, add_to in (('link', made.link), ('link_error', made.link_error)):
        if key in given:
            add_to(built(given[key]))
    return made


def serve():
    for line in sys.stdin:
        given = json.loads(line)
        report = {'call': given['call']}
        if given.get('seen'):
            report['result'] = list(kept)
        else:
            try:
                pending = built(given).apply_async()
                report['id'] = pending.id
                report['result'] = pending.get(timeout=25, disable_sync_subtasks=False)
            except Exception as error:  # whatever class the worker named
                report['error'] = {'class': type(error).__name__, 'message': str(error)}
        print(json.dumps(report), file=sys.__stdout__, flush=True)


@worker_ready.connect
def announce(**_):
    threading.Thread(target=serve, daemon=True).start()
    # Celery redirects `sys.stdout` into its log.
    print('ready', file=sys.__stdout__, flush=True)


app.Worker(
    pool='solo', without_gossip=True, without_mingle=True, without_heartbeat=True, loglevel='WARNING', quiet=True,
).start()

"""A Celery client, as a Python service next to Warren would have one: sends one task and waits for its result.

    /usr/bin/python3 client.py --broker amqp://… --results redis://… [--timeout SECONDS] TASK KWARGS_JSON

Prints one JSON object: {"id", "status", "result"} or {"id", "status", "error": {"class", "message"}}, and "dateDone".
Exits 0 for either, and 1 when there was no result in time.

Knows nothing of Warren but its naming scheme: task `payment.invoice.create` goes to the topic exchange
`payment.commands` with the task's name as routing key. `declare=[]` keeps Celery from declaring its default queue.
"""
import argparse
import json
import sys

from celery import Celery
from celery.exceptions import TimeoutError as NoResult

parser = argparse.ArgumentParser()
parser.add_argument('--broker', required=True)
parser.add_argument('--results', required=True)
parser.add_argument('--timeout', type=float, default=20)
parser.add_argument('--countdown', type=float)
parser.add_argument('--args', type=json.loads, default=[], help='positional arguments, as a JSON list')
parser.add_argument('task')
parser.add_argument('kwargs', type=json.loads)
options = parser.parse_args()

app = Celery('client', broker=options.broker, backend=options.results)
app.conf.broker_transport_options = {'confirm_publish': True}

pending = app.send_task(
    options.task, args=options.args, kwargs=options.kwargs, countdown=options.countdown,
    exchange=options.task.split('.')[0] + '.commands', routing_key=options.task, declare=[],
)
report = {'id': pending.id}
try:
    report['result'] = pending.get(timeout=options.timeout)
except NoResult:
    report['timeout'] = options.timeout
except Exception as error:  # whatever class the worker named
    report['error'] = {'class': type(error).__name__, 'message': str(error)}
report['status'] = pending.status
report['dateDone'] = pending.date_done and pending.date_done.isoformat()
print(json.dumps(report))
sys.exit(1 if 'timeout' in report else 0)

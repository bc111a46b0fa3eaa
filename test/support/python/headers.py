"""Sends a task with a header of each kind that py-amqp can write, and reads what came of them.

    /usr/bin/python3 headers.py --broker amqp://… send TASK          prints {kind: id}
    /usr/bin/python3 headers.py --broker amqp://… read QUEUE         prints {id: whether its header is as it was sent}

Reading takes the messages out of the queue with py-amqp, as a Python worker would get them.
"""
import argparse
import datetime
import json
import uuid
from decimal import Decimal

from celery import Celery

parser = argparse.ArgumentParser()
parser.add_argument('--broker', required=True)
parser.add_argument('what', choices=['send', 'read'])
parser.add_argument('name')
options = parser.parse_args()

VALUES = {
    'int beyond 31 bits': 5_000_000_000,
    'negative int beyond 31 bits': -5_000_000_000,
    'int beyond 53 bits': 2**53 + 1,
    'the largest int': 2**63 - 1,
    'a time limit': 300,
    'small int': -5,
    'float': -1e300,
    'whole float beyond 53 bits': 1e17,
    'decimal': Decimal('-1.5'),
    'datetime': datetime.datetime(2026, 1, 1),
    'bytes that are no text': b'\x00\xff',
    'lone surrogate': '\ud800',
    'text': 'ä\U0001f600\x00',
    'nested': {'a': [1, None, True, {'b': [2**40, {}]}], '!': 'bogus', '__proto__': 1},
    'none': None,
    'large': 'x' * 100_000,
}
# Quorum queues write `l` for py-amqp's `L`, and py-amqp takes that to be without a sign.
READ = {'negative int beyond 31 bits': 2**64 - 5_000_000_000}

app = Celery('headers', broker=options.broker)
app.conf.broker_transport_options = {'confirm_publish': True}

if options.what == 'send':
    ids = {kind: str(uuid.uuid4()) for kind in VALUES}
    for kind, value in VALUES.items():
        app.send_task(
            options.name, kwargs={}, task_id=ids[kind], exchange=options.name.split('.')[0] + '.commands',
            routing_key=options.name, declare=[], headers={'x-mine': value, 'x-kind': kind},
        )
    print(json.dumps(ids))
else:
    found = {}
    with app.connection_for_read() as connection:
        channel = connection.channel()
        while True:
            message = channel.basic_get(options.name)
            if message is None:
                break
            headers = message.properties['application_headers']
            kind = headers['x-kind']
            value = headers['x-mine']
            same = value == READ.get(kind, VALUES[kind])
            found[headers['id']] = 'same' if same else repr(value)[:200]
            channel.basic_ack(message.delivery_tag)
    print(json.dumps(found))

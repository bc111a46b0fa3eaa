"""Captures what Python's Celery writes, as the fixtures in test/support/fixtures.

    /usr/bin/python3 test/support/python/fixtures.py && npx biome format --write test/support/fixtures

Needs python3-celery; no broker and no store. Messages pass through kombu's own `dumps`, results through the backend's
`_get_result_meta` and `encode`, so that the bytes are those that would have travelled.
"""
import base64
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from celery import Celery, __version__, signature
from celery.backends.cache import CacheBackend
from celery.exceptions import TaskRevokedError
from kombu.serialization import dumps

FIXTURES = Path(__file__).parent.parent / 'fixtures'
ID = '6f1f2a4e-3f9c-4b7e-9f37-0d2f6d6b1a01'
TASK = 'payment.invoice.create'

app = Celery('fixtures', broker='memory://', backend='cache+memory://')
app.conf.task_protocol = 2


def message(why, as_task=None, serializer='json', **options):
    as_task = as_task or app.amqp.as_task_v2
    made = as_task(ID, TASK, origin='gen1@fixture', **options) if as_task == app.amqp.as_task_v2 \
        else as_task(ID, TASK, **options)
    content_type, content_encoding, body = dumps(made.body, serializer=serializer)
    body = body.encode() if isinstance(body, str) else body
    return {
        'why': why,
        # Round trip through JSON: amqplib gives lists for Python's tuples too.
        'properties': json.loads(json.dumps({
            'contentType': content_type,
            'contentEncoding': content_encoding,
            'correlationId': made.properties['correlation_id'],
            'replyTo': made.properties['reply_to'],
            'headers': made.headers,
        })),
        'base64': base64.b64encode(body).decode(),
    }


def result(why, value, state, traceback=None, backend=CacheBackend(app=app, backend='memory://')):
    meta = backend._get_result_meta(result=backend.encode_result(value, state), state=state, traceback=traceback,
                                    request=None)
    meta['task_id'] = ID
    if meta['date_done']:
        meta['date_done'] = '2026-11-24T10:52:21.123456'
    return {'why': why, 'text': backend.encode(meta)}


class PaymentError(Exception):
    pass


kwargs = {'customer': 'c1', 'amountCents': 1200, 'note': 'Grüße 🐇'}
at = datetime(2026, 11, 24, 10, 52, 21, 123456)
sub = signature('user.account.create', app=app)

messages = [
    message('kwargs only', kwargs=kwargs),
    message('nothing at all'),
    message('positional arguments', args=('c1', 1200)),
    message('eta and expires in UTC', kwargs=kwargs, eta=at.replace(tzinfo=timezone.utc),
            expires=at.replace(tzinfo=timezone.utc, microsecond=0)),
    message('naive eta, expires in another zone', kwargs=kwargs, eta=at,
            expires=at.replace(tzinfo=timezone(timedelta(hours=5, minutes=30)))),
    message('limits, retries, group, parent', kwargs=kwargs, time_limit=30, soft_time_limit=2.5, retries=3,
            group_id='g1', group_index=0, parent_id='p1', root_id='r1', reply_to='q1', ignore_result=True, shadow='s'),
    message('a callback', kwargs=kwargs, callbacks=[dict(sub)]),
    message('an errback', kwargs=kwargs, errbacks=[dict(sub)]),
    message('a chain', kwargs=kwargs, chain=[dict(sub)]),
    message('a chord', kwargs=kwargs, chord=dict(sub)),
    message('no canvas, written as empty lists', kwargs=kwargs, callbacks=[], errbacks=[], chain=[]),
    message('protocol 1', as_task=app.amqp.as_task_v1, kwargs=kwargs),
    message('pickle', serializer='pickle', kwargs=kwargs),
    message('yaml', serializer='yaml', kwargs=kwargs),
    message('NaN', kwargs={'amount': float('nan')}),
]
results = [
    result('an object', {'invoiceId': 'i1'}, 'SUCCESS'),
    result('None', None, 'SUCCESS'),
    result('a builtin exception', ValueError('no such customer'), 'FAILURE', 'Traceback …\nValueError: no such customer'),
    result('an own exception of two arguments', PaymentError('declined', 51), 'FAILURE', 'Traceback …'),
    result('an exception without arguments', KeyError(), 'FAILURE'),
    result('a retry', ValueError('later'), 'RETRY', 'Traceback …'),
    result('revoked', TaskRevokedError('expired'), 'REVOKED'),
    result('started', {'pid': 42, 'hostname': 'celery@fixture'}, 'STARTED'),
    result('progress', {'current': 1, 'total': 3}, 'PROGRESS'),
]

FIXTURES.mkdir(exist_ok=True)
for name, rows in (('messages', messages), ('results', results)):
    document = {'celery': __version__, name: rows}
    (FIXTURES / f'celery-{name}.json').write_text(json.dumps(document, indent=2, ensure_ascii=False) + '\n')

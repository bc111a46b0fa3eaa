"""Celery's client in the benchmark: the same requests and answers as `program.ts`."""
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from bench_app import THREADS, VARIANT, json, noop, say
from celery.result import ResultSet


def send_all(request, **options):
    kwargs = {'text': 'x' * request['bytes'], 'ms': request['ms']}

    def send(how_many):
        return [noop.apply_async(kwargs=kwargs, **options) for _ in range(how_many)]

    count = request['count']
    if VARIANT != 'threads':
        return send(count)
    shares = [count // THREADS + (1 if each < count % THREADS else 0) for each in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        return [result for share in pool.map(send, shares) for result in share]


def publish(request):
    # Without a wait for results there is nothing to subscribe to.
    send_all(request, ignore_result=True)


def round_trip(request):
    ResultSet(send_all(request)).join_native(propagate=True)


def latency(request):
    count, rate, text = request['count'], request['ratePerSecond'], 'x' * request['bytes']
    latencies = []
    backend = noop.backend
    start = time.perf_counter()
    sent = 0
    while len(latencies) < count:
        while sent < count and time.perf_counter() - start >= (sent + 1) / rate:
            due_at = start + (sent + 1) / rate
            sent += 1
            result = noop.delay(text=text, ms=request['ms'])
            result.then(lambda _, due_at=due_at: latencies.append((time.perf_counter() - due_at) * 1000))
        next_due = start + (sent + 1) / rate - time.perf_counter() if sent < count else 0.1
        backend.result_consumer.drain_events(timeout=max(0, min(next_due, 0.1)))
    return latencies


ACTIONS = {'publish': publish, 'roundTrip': round_trip, 'latency': latency}

# Connects, as `connect()` does elsewhere.
noop.app.connection_for_write().ensure_connection(max_retries=3).release()
noop.backend.client.ping()
say({'ready': True})
for line in sys.stdin:
    asked = json.loads(line)
    begin = time.perf_counter()
    try:
        made = ACTIONS[asked['do']](asked)
        answer = {'seconds': time.perf_counter() - begin}
        if asked['do'] == 'latency':
            answer['latencies'] = made
    except Exception:
        answer = {'error': traceback.format_exc()}
    say(answer)

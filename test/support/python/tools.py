"""Runs commands of Celery's own command line, several in one process, since importing Celery takes seconds. Prints their
outputs as a JSON list. argv: broker URL, then the commands as a JSON list of lists."""
import contextlib
import io
import json
import sys

from celery.__main__ import main

broker, commands = sys.argv[1], json.loads(sys.argv[2])
outputs = []
for command in commands:
    sys.argv = ["celery", "-b", broker, *command]
    out = io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            main()
        except SystemExit as end:
            code = end.code
    outputs.append({"code": code or 0, "output": out.getvalue()})
print(json.dumps(outputs))

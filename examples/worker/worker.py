#!/usr/bin/env python3
"""A worker in Python, with the standard library alone: many calls at once, streams that pause.

    mesh serve -d tools --worker -- python3 worker.py
    mesh call tools add 2 b=3
    mesh stream tools count 5
"""

import json
import sys
import threading
import time

OUT = threading.Lock()


def say(**line):
    """Writes one line. JSON has no NaN: such a float would be no value."""
    text = json.dumps(line, allow_nan=False) + "\n"
    with OUT:
        sys.stdout.write(text)
        sys.stdout.flush()


def add(call, a, b=0):
    """Adds two numbers."""
    return a + b


def count(call, to, delay=0.0):
    """Counts up to a number."""
    for n in range(1, to + 1):
        yield n
        time.sleep(delay)


METHODS = {
    "add": {"call": add, "params": ["a", "b"]},
    "count": {"call": count, "params": ["to", "delay"], "stream": True},
}


class Call(threading.Thread):
    """One call on a thread of its own."""

    def __init__(self, line):
        super().__init__(daemon=True)
        self.id = line["id"]
        self.line = line
        self.cancelled = False
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def run(self):
        try:
            method = METHODS[self.line["method"]]
            result = method["call"](self, *self.line["args"], **self.line["kwargs"])
            if method.get("stream"):
                for item in result:
                    self.may_go_on.wait()
                    if self.cancelled:
                        return
                    say(id=self.id, item=item)
                result = None
            if not self.cancelled:
                say(id=self.id, value=result)
        except Exception as error:
            say(id=self.id, error={"message": f"{type(error).__name__}: {error}"})
        finally:
            CALLS.pop(self.id, None)


CALLS = {}


def main():
    say(methods=[
        {"name": name, "doc": about["call"].__doc__, "params": about["params"],
         "stream": about.get("stream", False)}
        for name, about in METHODS.items()
    ])
    # As bytes: the lines are UTF-8, whatever the system prefers.
    for line in sys.stdin.buffer:
        line = json.loads(line)
        call = CALLS.get(line["id"])
        if "method" in line:
            call = CALLS[line["id"]] = Call(line)
            call.start()
        elif call and "cancel" in line:
            call.cancelled = True
            call.may_go_on.set()
        elif call and "pause" in line:
            call.may_go_on.clear()
        elif call and "resume" in line:
            call.may_go_on.set()


main()

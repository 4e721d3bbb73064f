"""Random local search over the numbers of a JSON file, scored by the session of the run.

Usage: search.py [--trials N] FILE COMMAND...

COMMAND turns FILE into a submission. Every trial changes the best values so far, runs COMMAND and asks the session for
a validation; the best is submitted. The session is a Unix socket named by RESEARCHGYM_SESSION: one JSON line per
request, one per answer (docs/reference/session.md). Standard library only.
"""

import argparse
import json
import math
import os
import random
import socket
import subprocess
import sys


class Session:
    """The session's socket. One connection serves all requests."""

    def __init__(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(os.environ["RESEARCHGYM_SESSION"])
        self._stream = connection.makefile("rw", encoding="utf-8", newline="\n")

    def request(self, method):
        """The result, or None if the request was refused; the reason goes to standard error."""
        self._stream.write(json.dumps({"method": method}) + "\n")
        self._stream.flush()
        line = self._stream.readline()
        if not line:
            sys.exit("the session hung up: the run is over")
        answer = json.loads(line)
        if answer["ok"]:
            return answer["result"]
        print(f"{method}: {answer['error']}", file=sys.stderr)
        return None


def changed(values, stream):
    """A neighbour: numbers of 0 or more are scaled or, if whole, moved by one; everything else stays."""
    result = dict(values)
    for name, value in values.items():
        if stream.random() < 0.5 or isinstance(value, bool):
            continue
        if isinstance(value, int):
            result[name] = max(0, value + stream.choice((-1, 1)))
        elif isinstance(value, float):
            result[name] = round(value * math.exp(stream.gauss(0.0, 1.0)), 6)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("file")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()

    session = Session()
    status = session.request("status")
    name, sign = status["primary"]["name"], 1 if status["primary"]["direction"] == "maximize" else -1
    stream = random.Random(int(os.environ["RESEARCHGYM_SEED"]))

    def put(values):
        with open(arguments.file, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=2)
        return subprocess.run(arguments.command).returncode == 0

    with open(arguments.file, encoding="utf-8") as file:
        best = json.load(file)
    best_value = None
    for trial in range(min(arguments.trials, status["validations_left"])):
        values = changed(best, stream) if trial else best
        outcome = session.request("validate") if put(values) else None
        if outcome is None:
            continue
        value = outcome["metrics"][name]
        print(f"trial {trial}: {name} = {value}")
        if best_value is None or sign * value > sign * best_value:
            best, best_value = values, value
    put(best)
    session.request("submit")


main()

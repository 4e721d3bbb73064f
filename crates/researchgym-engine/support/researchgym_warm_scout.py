"""The pages of memory that programs write to whatever they do, so that who waits for its program has them beforehand.

A forked process shares all pages with the process that it was forked from until one of the two writes to them; the
first write to each is a fault and a copy, while somebody waits. Python writes to many, because every use of an object
is counted in it. Which these are a scout finds out: a fork that runs a program of ours, before any other is there.

Limits: they are guessed. On a Linux older than 5.14, and where a process may not read about its own pages, none are known,
and nothing else changes.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import select
import signal
import struct
import threading
import types
from typing import Iterator, Tuple

from researchgym_warm_confinement import PR_SET_DUMPABLE, prctl

MADV_POPULATE_WRITE = 23
# Of an entry of `/proc/self/pagemap`: the page is there, and nobody else has it.
OWN = 1 << 63 | 1 << 56
ENTRY = struct.Struct("=Q")
RUN = struct.Struct("=QQ")
PAGE = os.sysconf("SC_PAGE_SIZE")
# A scout is done in some milliseconds.
PATIENCE_MS = 5_000

# Pages beside each other: where they begin, and how many bytes they have.
Run = Tuple[int, int]

_libc = ctypes.CDLL(None, use_errno=True)
_madvise = _libc.madvise
_madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

SAMPLE = '''
"""A program that does a little of what most do."""

import os
import sys


class Thing:
    """A number of which half is asked for."""

    def __init__(self, number):
        self.number = number

    def half(self):
        return self.number / 2.0


def best_of(count):
    things = [Thing(number) for number in range(count)]
    table = {}
    for index, thing in enumerate(things):
        table[f"{index}"] = max(min(thing.half(), 5.0), -5.0) ** 2 + abs(index % 7 - 3)
    best = None
    for word in " ".join(sorted(table)).split():
        try:
            if best is None or float(word) < best:
                best = float(word)
        except ValueError:
            pass
    return {"best": best, "sum": sum(table.values()), "pair": (1, 2.5), "none": None}


def main():
    found = best_of(200)
    with open(os.devnull, "w", encoding="utf-8") as file:
        print("best", found["best"], file=file)
        file.write(str(found) + repr(found))
        if "json" in sys.modules:
            import json

            json.dump(found, file)
            json.loads(json.dumps(found))
    if "random" in sys.modules:
        import random

        stream = random.Random(1)
        [stream.random() for _ in range(100)]
    if "math" in sys.modules:
        import math

        math.sin(1.0) * math.cos(2.0)
    with open(os.devnull, "r", encoding="utf-8") as file:
        file.read()


main()
'''


def scout() -> list[Run]:
    """Runs the sample in a fork; the pages that were its own at the end."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            # Nobody else is there who could read it, and only so it may read about itself.
            prctl(PR_SET_DUMPABLE, 1)
            _run_sample()
            os.write(writer, b"".join(RUN.pack(*run) for run in _own_pages()))
        finally:
            os._exit(0)
    os.close(writer)
    content = b""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    while poll.poll(PATIENCE_MS):
        part = os.read(reader, 1 << 16)
        if not part:
            break
        content += part
    os.close(reader)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return list(RUN.iter_unpack(content[: len(content) // RUN.size * RUN.size]))


def take(runs: list[Run]) -> None:
    """Makes these pages this process's own."""
    for start, length in runs:
        # Some may not be there any more.
        if _madvise(start, length, MADV_POPULATE_WRITE) != 0 and ctypes.get_errno() == errno.EINVAL:
            return


def _run_sample() -> None:
    """Runs it, and does what an end of a program does."""
    main = types.ModuleType("__main__")
    exec(compile(SAMPLE, "/sample.py", "exec", dont_inherit=True), main.__dict__)
    threading._shutdown()
    for name in list(main.__dict__):
        if name != "__builtins__":
            main.__dict__[name] = None
    gc.collect()


def _own_pages() -> Iterator[Run]:
    """The pages of memory that nobody else has."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        lines = maps.readlines()
    with open("/proc/self/pagemap", "rb", buffering=0) as entries:
        for line in lines:
            place, rights, _, _, _, *name = line.split()
            is_special = bool(name) and name[0].startswith("[") and name[0] != "[heap]"
            if rights != "rw-p" or is_special:
                continue
            start, end = (int(part, 16) for part in place.split("-"))
            entries.seek(start // PAGE * ENTRY.size)
            content = entries.read((end - start) // PAGE * ENTRY.size)
            first = None
            for number, (entry,) in enumerate([*ENTRY.iter_unpack(content), (0,)]):
                if entry & OWN == OWN:
                    first = number if first is None else first
                elif first is not None:
                    yield start + first * PAGE, (number - first) * PAGE
                    first = None

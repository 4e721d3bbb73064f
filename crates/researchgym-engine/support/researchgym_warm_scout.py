"""The pages of memory that programs write to whatever they do, so that who waits for its program has them beforehand.

A forked process shares all pages with the process that it was forked from until one of the two writes to them; the
first write to each is a fault and a copy, while somebody waits. Python writes to many, because every use of an object
is counted in it. Which these are a scout finds out: a fork that runs a program of ours, before any other is there.

Limits: they are guessed. On a Linux older than 5.14, and where a process may not read about its own pages, none are known,
and nothing else changes.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import struct
import sys
import types
from typing import Callable, Iterator, NamedTuple, Optional, Tuple

from researchgym_warm_confinement import PR_SET_DUMPABLE, prctl

MADV_POPULATE_WRITE = 23
SYS_PROCESS_MADVISE = 440
# Of an entry of `/proc/self/pagemap`: the page is there, and nobody else has it.
OWN = 1 << 63 | 1 << 56
ENTRY = struct.Struct("=Q")
RUN = struct.Struct("=QQ")
PAGE = os.sysconf("SC_PAGE_SIZE")
# A scout is done in some milliseconds.
PATIENCE_MS = 5_000

# Pages beside each other: where they begin, and how many bytes they have.
Run = Tuple[int, int]


class Pages(NamedTuple):
    """Pages of memory that programs use."""

    runs: list[Run]
    vector: Optional[ctypes.Array[ctypes.c_char]]
    """The same as the kernel takes them in one call, if it does (Linux 6.13)."""
    length: int
    """In bytes, of all."""


NO_PAGES = Pages([], None, 0)

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


def scout() -> Pages:
    """Runs the sample in a fork; the pages that were its own at the end, and that are there in this process."""

    def sampled() -> bytes:
        _run_sample()
        return b"".join(RUN.pack(*run) for run in _own_pages())

    content = _in_a_fork(sampled)
    runs = list(RUN.iter_unpack(content[: len(content) // RUN.size * RUN.size]))
    # What the scout itself had asked for is not there.
    are_there = _in_a_fork(lambda: bytes(_madvise(*run, MADV_POPULATE_WRITE) == 0 for run in runs))
    runs = [run for run, is_there in zip(runs, are_there) if is_there]
    if not runs:
        return NO_PAGES
    vector = ctypes.create_string_buffer(b"".join(RUN.pack(*run) for run in runs))
    pages = Pages(runs, vector, sum(length for _, length in runs))
    is_taken = _in_a_fork(lambda: bytes([_take_at_once(pages)]))
    return pages if is_taken == b"\x01" else pages._replace(vector=None)


def _in_a_fork(work: Callable[[], bytes]) -> bytes:
    """What a forked process has to say, in not too long a time."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            # Nobody else is there who could read it, and only so it may read about itself.
            prctl(PR_SET_DUMPABLE, 1)
            os.write(writer, work())
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
    return content


def take(pages: Pages) -> None:
    """Makes these pages this process's own."""
    if pages.vector is not None and _take_at_once(pages):
        return
    # Some may not be there any more.
    for start, length in pages.runs:
        _madvise(start, length, MADV_POPULATE_WRITE)


def _take_at_once(pages: Pages) -> bool:
    """Whether the kernel has done it in one call."""
    own = os.pidfd_open(os.getpid())
    try:
        count = ctypes.c_size_t(len(pages.runs))
        done = _libc.syscall(SYS_PROCESS_MADVISE, own, pages.vector, count, MADV_POPULATE_WRITE, 0)
    finally:
        os.close(own)
    return done == pages.length


def _run_sample() -> None:
    """Runs it, and does what an end of a program does."""
    main = types.ModuleType("__main__")
    exec(compile(SAMPLE, "/sample.py", "exec", dont_inherit=True), main.__dict__)
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
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

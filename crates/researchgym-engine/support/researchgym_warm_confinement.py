"""What is between a forked process and everything else: descriptors, limits, Landlock.

All of it is done before any code of a program runs, and cannot be undone by it.

Limits: system calls go through `ctypes` by their numbers, which are those of all architectures for calls this young.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import struct
from typing import NamedTuple, Optional

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36
SYS_LANDLOCK_CREATE_RULESET, SYS_LANDLOCK_ADD_RULE, SYS_LANDLOCK_RESTRICT_SELF, SYS_CLOSE_RANGE = 444, 445, 446, 436
# Everything that changes files: write, remove_dir .. make_sym, refer (second version), truncate (third).
LANDLOCK_WRITES = (1 << 1) | sum(1 << bit for bit in range(4, 14))
LANDLOCK_TRUNCATE = 1 << 14
# Abstract sockets and signals of others (sixth version).
LANDLOCK_SCOPES = 0b11
O_PATH = 0o10000000
RLIMIT_MSGQUEUE = 12
OOM_SCORE = b"800"
# Of the scheduler's attributes and of the priority of input and output, which differ between architectures.
SYS_READ_STANDING = {"x86_64": (315, 252), "aarch64": (275, 31)}
SCHEDULER_BYTES = 56

_libc = ctypes.CDLL(None, use_errno=True)
_READ_SCHEDULER, _READ_PRIORITY = SYS_READ_STANDING.get(os.uname().machine, (None, None))
_attributes = ctypes.create_string_buffer(SCHEDULER_BYTES)


class Landlock(NamedTuple):
    """The rules that each forked process puts itself under."""

    version: int
    rules: Optional[int]

    @staticmethod
    def prepare(writable: list[str]) -> Landlock:
        version = _libc.syscall(SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
        # The first version cannot allow renames between folders, which programs need.
        if version < 2:
            return Landlock(0, None)
        rights = LANDLOCK_WRITES | (LANDLOCK_TRUNCATE if version >= 3 else 0)
        scopes = LANDLOCK_SCOPES if version >= 6 else 0
        attributes = struct.pack("=QQQ", rights, 0, scopes)
        size = {2: 8, 3: 8, 4: 16, 5: 16}.get(version, 24)
        rules = _checked(_libc.syscall(SYS_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0))
        for path in writable:
            folder = os.open(path, O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", rights, folder)
            _checked(_libc.syscall(SYS_LANDLOCK_ADD_RULE, rules, 1, rule, 0))
            os.close(folder)
        return Landlock(version, rules)

    def enforce(self) -> None:
        if self.rules is not None:
            _checked(_libc.syscall(SYS_LANDLOCK_RESTRICT_SELF, self.rules, 0))


def protect_server() -> None:
    """Nobody of the same user may read this process; what its children leave behind becomes its own."""
    prctl(PR_SET_DUMPABLE, 0)
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def confine(parent: int, landlock: Landlock) -> None:
    """Confines this process, which was just forked by `parent`."""
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise RuntimeError("its parent has ended")
    prctl(PR_SET_DUMPABLE, 1)
    # Where memory runs out, the program goes rather than the process that it was forked from.
    score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    os.write(score, OOM_SCORE)
    os.close(score)
    # Queues of messages would outlive it; all other limits it has inherited.
    resource.setrlimit(RLIMIT_MSGQUEUE, (0, 0))
    landlock.enforce()


def prctl(option: int, value: int) -> None:
    _checked(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def close_range(first: int, last: int) -> None:
    if first > last or _libc.syscall(SYS_CLOSE_RANGE, ctypes.c_uint(first), ctypes.c_uint(last), 0) == 0:
        return
    for name in os.listdir("/proc/self/fd"):
        if first <= int(name) <= last:
            try:
                os.close(int(name))
            except OSError:
                pass


def standing() -> tuple[bytes, set[int], int, int]:
    """How this process is scheduled: policy, priorities and clamps, processors, input and output."""
    disks = 0
    if _READ_SCHEDULER is not None:
        _libc.syscall(_READ_SCHEDULER, 0, _attributes, SCHEDULER_BYTES, 0)
        disks = _libc.syscall(_READ_PRIORITY, 1, 0)
    return _attributes.raw, os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0), disks


def arrange(descriptors: list[int], told: int) -> None:
    """Makes the descriptors 1, 2, 3, .. and closes all others but the standard input and `told`, which is above them."""
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, told + 1) for descriptor in descriptors]
    for number, descriptor in enumerate(high, 1):
        os.dup2(descriptor, number)
    close_range(1 + len(high), told - 1)
    close_range(told + 1, 0xFFFFFFFF)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result

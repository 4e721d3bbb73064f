"""What is said between the host, the Python that forks, and the processes that it forks.

The host's requests are a length and JSON, with descriptors beside the first byte. They are taken by the forked process
that waits for one, which tells the Python that forks so over a pipe: a letter, a length, and the content. Nobody writes
to that pipe once a program of an agent's runs; one of the task's own keeps it, and says last of all how it ends.

Limits: a request and its answer alternate; nobody sends another one before.
"""

from __future__ import annotations

import os
import resource
import socket
import struct
import time
from typing import NamedTuple, Optional, Tuple

HEADER = struct.Struct(">I")
DESCRIPTOR = struct.Struct("i")
MOST_DESCRIPTORS = 64
CONTROL_BYTES = socket.CMSG_SPACE(MOST_DESCRIPTORS * DESCRIPTOR.size)
CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0x40000000)
FIRST_BYTES = 1 << 14

# What a forked process tells: it has a request, there will be none, it will not run it, it cannot; how it ends.
TAKEN, NONE_COMES, REFUSED, FAILED, ENDS = b"t", b"n", b"r", b"f", b"e"
WORD = struct.Struct(">cI")
LAST_WORD = struct.Struct(">iQQ")


def receive(stream: socket.socket) -> Optional[tuple[bytes, list[int]]]:
    """The content of the next request, and its descriptors; nothing if there will be none."""
    # Descriptors come with the first byte.
    content, control, flags, _ = stream.recvmsg(FIRST_BYTES, CONTROL_BYTES, CLOSE_ON_EXEC)
    descriptors: list[int] = []
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors += struct.unpack(f"{len(data) // DESCRIPTOR.size}i", data[: len(data) & -DESCRIPTOR.size])
    if not content or flags & socket.MSG_CTRUNC:
        return None
    length = HEADER.size
    while len(content) < length or len(content) < length + HEADER.unpack_from(content)[0]:
        part = stream.recv(1 << 16)
        if not part:
            return None
        content += part
    return content[length:], descriptors


def tell(pipe: int, kind: bytes, content: bytes = b"") -> None:
    """Tells who has forked this process."""
    left = WORD.pack(kind, len(content)) + content
    while left:
        left = left[os.write(pipe, left) :]


def told(pipe: int) -> Optional[Tuple[bytes, bytes]]:
    """The next that a forked process tells; nothing if it has ended without a word, or within one. Where the pipe does not
    wait, nothing either if a word is not there as a whole."""
    head = _exactly(pipe, WORD.size)
    if head is None:
        return None
    kind, length = WORD.unpack(head)
    content = _exactly(pipe, length)
    return None if content is None else (kind, content)


def _exactly(pipe: int, length: int) -> Optional[bytes]:
    content = b""
    while len(content) < length:
        try:
            part = os.read(pipe, min(length - len(content), 1 << 16))
        except BlockingIOError:
            return None
        if not part:
            return None
        content += part
    return content


class LastWord(NamedTuple):
    """How a program of the task's own says that it ends."""

    status: int
    """As it exits."""
    cpu_ns: int
    """Of it and of all it has waited for."""
    peak_kib: int

    @staticmethod
    def of_this_process(status: int) -> LastWord:
        others, own = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
        cpu_ns = time.process_time_ns() + int((others.ru_utime + others.ru_stime) * 1e9)
        return LastWord(status, cpu_ns, max(own.ru_maxrss, others.ru_maxrss))

    @staticmethod
    def parse(content: bytes) -> Optional[LastWord]:
        return LastWord(*LAST_WORD.unpack(content)) if len(content) == LAST_WORD.size else None

    def content(self) -> bytes:
        return LAST_WORD.pack(*self)

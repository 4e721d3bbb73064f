"""The grader's end of the socket to a player.

The player runs code that an agent wrote, so everything that arrives is hostile input. Each question has a
deadline, a size limit, a limit on the number and depth of JSON values and, if wanted, a limit on CPU time,
all enforced here. Replies carry the number of their question: a reply that was not asked for is an error.

Limits: one question at a time per player. What a reply *means* (types, ranges, lengths) is for the caller
to check; remember that `True` is an `int` to `isinstance`.
"""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import time
from typing import Any, Callable, Optional

MAX_BYTES = 1 << 20
MAX_VALUES = 1 << 18
MAX_DEPTH = 16
MAX_ERROR_TEXT = 1000

# Converting a very long run of digits takes quadratic time, so such numbers are refused unread.
_LONG_NUMBER = re.compile(rb"[0-9]{40}")
_CPU_CHECK_S = 1.0
_READ_BYTES = 1 << 16
_HEADER = struct.Struct(">I")


class PlayerError(Exception):
    """The player broke a rule; the text is meant for the agent."""

    def __init__(self, player: str, reason: str) -> None:
        super().__init__(reason)
        self.player = player
        self.reason = reason


class Player:
    """A program in a sandbox of its own, spoken to over a socket."""

    def __init__(self, name: str, connection: socket.socket, meter: Callable[[str], float]) -> None:
        self.name = name
        self._socket = connection
        self._socket.setblocking(False)
        self._meter = meter
        self._questions = 0

    def cpu_seconds(self) -> float:
        """CPU time that the player's whole sandbox has used so far, as metered by the host."""
        return self._meter(self.name)

    def ask(
        self,
        message: Any,
        deadline_s: float,
        max_bytes: int = MAX_BYTES,
        *,
        max_values: int = MAX_VALUES,
        max_depth: int = MAX_DEPTH,
        cpu_limit_s: Optional[float] = None,
    ) -> Any:
        """Sends a question and returns the answer. `cpu_limit_s` bounds the CPU time since the player's start."""
        end = time.monotonic() + deadline_s
        self.send(message, deadline_s)
        return self.receive(
            end - time.monotonic(), max_bytes, max_values=max_values, max_depth=max_depth, cpu_limit_s=cpu_limit_s
        )

    def send(self, message: Any, deadline_s: float) -> None:
        """Sends a question. The grader may work while the player thinks, and then `receive`."""
        self._questions += 1
        text = json.dumps({"id": self._questions, "ask": message}, separators=(",", ":"), allow_nan=False)
        body = text.encode("utf-8")
        unsent = memoryview(_HEADER.pack(len(body)) + body)
        wait = _Wait(self, deadline_s, None)
        while unsent:
            wait.until(select.POLLOUT)
            try:
                unsent = unsent[self._socket.send(unsent) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._error("ended before it was asked everything") from None

    def receive(
        self,
        deadline_s: float,
        max_bytes: int = MAX_BYTES,
        *,
        max_values: int = MAX_VALUES,
        max_depth: int = MAX_DEPTH,
        cpu_limit_s: Optional[float] = None,
    ) -> Any:
        """Waits for the answer to the question that was sent last."""
        wait = _Wait(self, deadline_s, cpu_limit_s)
        (size,) = _HEADER.unpack(self._read(_HEADER.size, wait))
        if size > max_bytes:
            raise self._error(f"sent a message of {size} bytes; at most {max_bytes} are allowed here")
        reply = self._parse(self._read(size, wait), max_values, max_depth)
        wait.check_cpu()
        if type(reply) is not dict or type(reply.get("id")) is not int:
            raise self._error("sent a message that is not a reply")
        if reply["id"] != self._questions:
            raise self._error("sent a message that was not asked for")
        if set(reply) == {"id", "error"}:
            raise self._error(plain_text(reply["error"], MAX_ERROR_TEXT))
        if set(reply) != {"id", "answer"}:
            raise self._error("sent a message that is not a reply")
        return reply["answer"]

    def finish(self, deadline_s: float) -> None:
        """Tells the player that nothing more will be asked; it must hang up without another word."""
        wait = _Wait(self, deadline_s, None)
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It has hung up already: after its last answer that is its right.
        wait.until(select.POLLIN)
        try:
            rest = self._socket.recv(1)
        except OSError:
            rest = b""
        if rest:
            raise self._error("sent a message that was not asked for")

    def _read(self, size: int, wait: _Wait) -> bytes:
        received = bytearray()
        while len(received) < size:
            wait.until(select.POLLIN)
            try:
                piece = self._socket.recv(min(size - len(received), _READ_BYTES))
            except BlockingIOError:
                continue
            except OSError:
                piece = b""
            if not piece:
                raise self._error("ended without answering")
            received += piece
        return bytes(received)

    def _parse(self, body: bytes, max_values: int, max_depth: int) -> Any:
        if body.count(b",") + body.count(b"[") + body.count(b"{") > max_values + MAX_ERROR_TEXT:
            raise self._error(f"sent a message of more than {max_values} values")
        if _LONG_NUMBER.search(body):
            raise self._error("sent a number of 40 digits or more")
        try:
            value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise self._error("sent a message that is not valid JSON") from None
        if _deeper_than(value, max_depth):
            raise self._error(f"sent a message nested deeper than {max_depth} levels")
        return value

    def _error(self, reason: str) -> PlayerError:
        return PlayerError(self.name, reason)


class _Wait:
    """Waits for a player's socket within a deadline, watching the player's CPU time."""

    def __init__(self, player: Player, deadline_s: float, cpu_limit_s: Optional[float]) -> None:
        self._player = player
        self._end = time.monotonic() + deadline_s
        self._cpu_limit_s = cpu_limit_s

    def until(self, event: int) -> None:
        poll = select.poll()
        poll.register(self._player._socket, event)
        while True:
            left = self._end - time.monotonic()
            if left <= 0:
                raise self._player._error("took too long to answer")
            if poll.poll(1000 * min(left, _CPU_CHECK_S)):
                return
            self.check_cpu()

    def check_cpu(self) -> None:
        if self._cpu_limit_s is not None and self._player.cpu_seconds() > self._cpu_limit_s:
            raise self._player._error(f"used more than {self._cpu_limit_s:g} s of CPU time")


def plain_text(value: Any, limit: int) -> str:
    """A text from a player (or the description of any other value), without control characters, cut at `limit`."""
    text = value if type(value) is str else describe(value)
    return "".join(character if character.isprintable() else " " for character in text[:limit])


def describe(value: Any) -> str:
    """A short JSON text of a value that a player sent, for an error message."""
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _deeper_than(value: Any, limit: int) -> bool:
    containers = [value] if isinstance(value, (list, dict)) else []
    for _ in range(limit):
        if not containers:
            return False
        children = (container.values() if isinstance(container, dict) else container for container in containers)
        containers = [child for group in children for child in group if isinstance(child, (list, dict))]
    return bool(containers)

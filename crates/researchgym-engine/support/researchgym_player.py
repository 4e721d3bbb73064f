"""The player's end of its socket to the grader: answers one question after the other.

    import researchgym_player as player

    connection = player.connect()      # before any code of the agent is imported
    player.serve(connection, answer)   # answer(message) -> anything that is JSON

There is nothing secret in a player's process: no hidden file, no seed of the grader's, no score. Code of the agent
that gets hold of the socket can send nothing but answers, and the grader takes exactly one for each question.
What the agent's code prints goes to standard output and standard error, which nobody parses.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import traceback
from typing import Any, Callable, Optional

GRADER_DESCRIPTOR = 3
LOWEST_DESCRIPTOR = 64
MAX_ERROR_TEXT = 500

_HEADER = struct.Struct(">I")


class AgentError(Exception):
    """Code of the agent failed; the text, for the agent, ends the game."""


def connect() -> socket.socket:
    """Takes the socket from its well-known descriptor, so that nothing is sent by mistake or inherited by a program."""
    moved = fcntl.fcntl(GRADER_DESCRIPTOR, fcntl.F_DUPFD_CLOEXEC, LOWEST_DESCRIPTOR)
    os.close(GRADER_DESCRIPTOR)
    return socket.socket(fileno=moved)


def serve(connection: socket.socket, answer: Callable[[Any], Any]) -> None:
    """Answers questions until the grader hangs up or an answer fails."""
    with connection:
        while True:
            question = _read(connection)
            if question is None:
                return
            try:
                reply = _reply(question["id"], answer(question["ask"]))
            except BaseException as error:  # `exit()` in agent code must be reported too
                text = str(error) if isinstance(error, AgentError) else f"raised {summary(error)}"
                _write(connection, json.dumps({"id": question["id"], "error": text[:MAX_ERROR_TEXT]}))
                return
            _write(connection, reply)


def summary(error: BaseException) -> str:
    """An exception in one line, with the innermost place in code that is not this library's."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = os.path.dirname(os.path.abspath(__file__))
    places = [frame for frame in frames if os.path.dirname(frame.filename) != ours and "<frozen" not in frame.filename]
    place = f" ({os.path.basename(places[-1].filename)}, line {places[-1].lineno})" if places else ""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # the message of an exception is code of the agent as well
        text = type(error).__name__
    return text[: MAX_ERROR_TEXT // 2] + place


def _reply(question: int, answer: Any) -> str:
    try:
        return json.dumps({"id": question, "answer": answer}, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise AgentError(f"gave an answer that is not plain JSON: {error}") from None


def _read(connection: socket.socket) -> Optional[Any]:
    header = _read_exactly(connection, _HEADER.size)
    if header is None:
        return None
    body = _read_exactly(connection, _HEADER.unpack(header)[0])
    return None if body is None else json.loads(body)


def _read_exactly(connection: socket.socket, size: int) -> Optional[bytes]:
    received = bytearray()
    while len(received) < size:
        piece = connection.recv(size - len(received))
        if not piece:
            return None
        received += piece
    return bytes(received)


def _write(connection: socket.socket, text: str) -> None:
    body = text.encode("utf-8", "replace")
    connection.sendall(_HEADER.pack(len(body)) + body)

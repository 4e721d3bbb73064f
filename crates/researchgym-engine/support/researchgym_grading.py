"""What a grader is made of: its link to the host, keyed random streams, the players and the verdict.

    import researchgym_grading as grading

    def grade(start: grading.Start) -> dict[str, float]:
        answer = start.players["submission"].ask({"question": 1}, deadline_s=10, max_bytes=1000)
        if type(answer) is not int:
            grading.invalid(f"the answer is {grading.describe(answer)}, not a whole number")
        return {"Score": float(answer)}

    grading.main(grade)

File descriptor 3 is the link to the host (JSON lines). The score travels there alone: what a grader prints is a
log for people. A broken rule of the agent's player is an invalid submission; any other exception is a failure of
the grader, never the agent's.
"""

from __future__ import annotations

import json
import math
import random
import socket
import sys
from typing import Any, Callable, NamedTuple, NoReturn, Optional, Sequence

from researchgym_channel import Player, PlayerError, describe, plain_text

# As `random` does it: `hashlib` would load OpenSSL, which takes longer than most gradings.
try:
    from _sha2 import sha256
except ImportError:
    try:
        from _sha256 import sha256
    except ImportError:
        from hashlib import sha256

__all__ = ["Invalid", "Player", "PlayerError", "Start", "describe", "finding", "invalid", "main", "plain_text"]
__all__ += ["score", "start", "stream"]

CONTROL_DESCRIPTOR = 3
SEVERITIES = ("info", "warning", "critical")


class Invalid(Exception):
    """The submission has no valid score; the text is meant for the agent."""


class Start(NamedTuple):
    """What the host tells a grader about this grading."""

    kind: str
    """`validate`, `submit` or `auto`."""
    split: str
    """`validation` or `test`."""
    secret: bytes
    """Key of all randomness of this grading. It must not reach a player."""
    player_seed: int
    """A seed that may be given to players. Nothing else can be computed from it."""
    variant: str
    parameters: dict[str, Any]
    """`[parameters]` of the task with the variant's changes."""
    metrics: tuple[str, ...]
    """Names of the metrics to report."""
    artefacts: tuple[str, ...]
    """What lies under `/submission`."""
    players: dict[str, Player]

    def stream(self, label: str, index: int = 0) -> random.Random:
        """A random stream of its own for each label and index, the same for the same secret."""
        key = sha256(self.secret + label.encode("utf-8") + index.to_bytes(8, "big")).digest()
        return random.Random(int.from_bytes(key, "big"))


class _Control:
    """The link to the host. The host is trusted."""

    def __init__(self) -> None:
        self._socket = socket.socket(fileno=CONTROL_DESCRIPTOR)
        self._lines = self._socket.makefile("r", encoding="utf-8", newline="\n")
        self.start = self._read_start()
        self.ended = False

    def _read_start(self) -> Start:
        message = self._read()
        players = {
            name: Player(name, socket.socket(fileno=descriptor), self.cpu_seconds)
            for name, descriptor in message["players"].items()
        }
        return Start(
            kind=message["kind"],
            split=message["split"],
            secret=bytes.fromhex(message["secret"]),
            player_seed=message["player_seed"],
            variant=message["variant"],
            parameters=message["parameters"],
            metrics=tuple(message["metrics"]),
            artefacts=tuple(message["artefacts"]),
            players=players,
        )

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise EOFError("the host hung up")
        return json.loads(line)

    def write(self, message: dict[str, Any]) -> None:
        self._socket.sendall(json.dumps(message, allow_nan=False).encode("utf-8") + b"\n")

    def cpu_seconds(self, player: str) -> float:
        self.write({"type": "cpu", "player": player})
        return float(self._read()["seconds"])

    def end(self, message: dict[str, Any]) -> None:
        if self.ended:
            raise RuntimeError("a verdict was given already")
        self.write(message)
        self.ended = True


_control: Optional[_Control] = None


def _host() -> _Control:
    global _control
    if _control is None:
        _control = _Control()
    return _control


def start() -> Start:
    """What the host tells about this grading. The first call reads it, further calls return the same."""
    return _host().start


def stream(label: str, index: int = 0) -> random.Random:
    """`start().stream(label, index)`."""
    return start().stream(label, index)


def finding(type: str, severity: str, evidence: str) -> None:
    """Reports something that speaks against trusting the score: a short name, and one sentence on what was seen."""
    if severity not in SEVERITIES:
        raise ValueError(f"severity is {severity!r}, not one of {SEVERITIES}")
    report = {"type": type, "severity": severity, "evidence": plain_text(evidence, 2000)}
    _host().write({"type": "finding", "finding": report})


def score(metrics: dict[str, float]) -> None:
    """Reports the score: a finite number for each declared metric. Nothing can be reported after it."""
    if set(metrics) != set(start().metrics):
        raise ValueError(f"metrics {sorted(metrics)} reported, {sorted(start().metrics)} declared")
    values = {name: float(value) for name, value in metrics.items()}
    unusable = [name for name, value in values.items() if not math.isfinite(value)]
    if unusable:
        raise ValueError(f"not a finite number: {unusable}")
    _host().end({"type": "score", "metrics": values})


def invalid(reason: str) -> NoReturn:
    """Ends the grading without a score; `reason` tells the agent what is wrong with its submission."""
    raise Invalid(reason)


def main(grade: Callable[[Start], Optional[dict[str, float]]], agents: Sequence[str] = ("submission",)) -> NoReturn:
    """Runs a grader: reports what `grade` returns, or why there is no score, and exits.

    `agents` names the players that run the agent's code. An error of any other player, which runs reference code,
    is a failure of the grader like every other exception: a traceback for people and exit code 1.
    """
    try:
        metrics = grade(start())
        if metrics is not None:
            score(metrics)
        if not _host().ended:
            raise RuntimeError("the grader ended without a verdict")
    except Invalid as error:
        _host().end({"type": "invalid", "reason": plain_text(str(error), 2000)})
    except PlayerError as error:
        if error.player not in agents:
            raise
        _host().end({"type": "invalid", "reason": plain_text(f"your program {error.reason}", 2000)})
    sys.exit(0)

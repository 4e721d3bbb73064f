"""Grades a submission with real grader and player processes, without sandboxes: the host's part in a few lines.

Limits: one player; CPU time is metered for the player's own process only; nothing is isolated.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

PYTHON = "/usr/bin/python3"
SUPPORT = Path(__file__).resolve().parent.parent
TASKS = SUPPORT.parents[2] / "tasks"
PLAYER = (PYTHON, "-I", str(SUPPORT / "researchgym_games.py"), "strategy.py")
GRADING_TIMEOUT_S = 120
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass
class Verdict:
    """What a grader told the host, and how it went."""

    message: Optional[dict[str, Any]] = None
    findings: list[dict[str, Any]] = field(default_factory=list)
    grader_exit: int = 0
    grader_errors: str = ""
    seconds: float = 0.0
    player_cpu_s: float = 0.0

    @property
    def score(self) -> Optional[float]:
        is_score = self.message is not None and self.message["type"] == "score"
        return self.message["metrics"]["Score"] if is_score else None

    @property
    def invalid(self) -> Optional[str]:
        return self.message["reason"] if self.message is not None and self.message["type"] == "invalid" else None


def grade(
    grader: Path,
    submission: Path,
    parameters: dict[str, Any],
    secret: int = 1,
    player_seed: int = 7,
    player: tuple[str, ...] = PLAYER,
) -> Verdict:
    """Runs `grader.py` in the folder `grader` against a player started in the folder `submission`."""
    control, grader_control = socket.socketpair()
    grader_end, player_end = socket.socketpair()
    control.settimeout(GRADING_TIMEOUT_S)
    began = time.monotonic()
    environment = {**ENVIRONMENT, "PYTHONPATH": str(SUPPORT)}
    with tempfile.TemporaryFile() as errors:
        player_process = _spawn(player, submission, ENVIRONMENT, [player_end], subprocess.DEVNULL)
        grader_process = _spawn((PYTHON, "grader.py"), grader, environment, [grader_control, grader_end], errors)
        for end in (grader_control, grader_end, player_end):
            end.close()
        start = {
            "type": "start",
            "kind": "validate",
            "split": "test",
            "secret": f"{secret:064x}",
            "player_seed": player_seed,
            "variant": "default",
            "parameters": parameters,
            "metrics": ["Score"],
            "artefacts": ["strategy.py"],
            "players": {"submission": 4},
        }
        try:
            verdict = _serve(control, start, player_process.pid)
            verdict.grader_exit = grader_process.wait(GRADING_TIMEOUT_S)
            verdict.seconds = time.monotonic() - began
        finally:
            for process in (grader_process, player_process):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            control.close()
        errors.seek(0)
        verdict.grader_errors = errors.read().decode("utf-8", "replace")
    return verdict


def _serve(control: socket.socket, start: dict[str, Any], player: int) -> Verdict:
    verdict = Verdict()
    control.sendall(json.dumps(start).encode() + b"\n")
    with control.makefile("rb") as lines:
        for line in lines:
            message = json.loads(line)
            if message["type"] == "cpu":
                verdict.player_cpu_s = _cpu_seconds(player)
                control.sendall(json.dumps({"type": "cpu", "seconds": verdict.player_cpu_s}).encode() + b"\n")
            elif message["type"] == "finding":
                verdict.findings.append(message["finding"])
            else:
                verdict.message = message
    return verdict


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _spawn(
    command: tuple[str, ...], folder: Path, environment: dict[str, str], ends: list[socket.socket], errors: Any
) -> subprocess.Popen:
    """Starts a command in its own process group, with `ends` as descriptors 3, 4, .. as the host would."""
    high = [fcntl.fcntl(end.fileno(), fcntl.F_DUPFD, 100) for end in ends]
    moves = " ".join(f"{number}<&{descriptor} {descriptor}<&-" for number, descriptor in enumerate(high, start=3))
    try:
        return subprocess.Popen(
            ["/bin/bash", "-c", f'exec {moves}; exec "$@"', "bash", *command],
            cwd=folder,
            env=environment,
            pass_fds=high,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    finally:
        for descriptor in high:
            os.close(descriptor)


class Workspace:
    """A task's starter in a temporary folder, as an agent has it; its artefact can be graded."""

    def __init__(self, task: str, overlay: Optional[str] = None) -> None:
        self.task = TASKS / task
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "workspace"
        shutil.copytree(self.task / "starter", self.path)
        if overlay is not None:
            shutil.copytree(self.task / "solutions" / overlay, self.path, dirs_exist_ok=True)
        if (self.path / "run.sh").exists():
            subprocess.run(["/bin/bash", "run.sh"], cwd=self.path, env=ENVIRONMENT, check=False, capture_output=True)

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *exception: object) -> None:
        self._folder.cleanup()

    def write(self, text: str) -> None:
        (self.path / "strategy.py").write_text(text, encoding="utf-8")

    def grade(self, parameters: dict[str, Any], **options: Any) -> Verdict:
        """Grades the artefact alone: nothing else of the workspace is there."""
        submission = Path(self._folder.name) / "submission"
        submission.mkdir(exist_ok=True)
        shutil.copy(self.path / "strategy.py", submission)
        return grade(self.task / "grader", submission, parameters, **options)


def parameters(**changes: Any) -> dict[str, Any]:
    """The games' parameters, with few simulations unless told otherwise."""
    return {"rounds": 10, "simulations": 200, "player_cpu_s": 30, "player_wall_s": 60, **changes}

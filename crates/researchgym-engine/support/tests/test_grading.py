"""What a grader tells the host, and which failures are the agent's: small graders as real processes."""

from __future__ import annotations

import random
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

import harness

sys.path.insert(0, str(harness.SUPPORT))

import researchgym_grading as grading  # noqa: E402

ECHO = "import researchgym_player as p; p.serve(p.connect(), lambda message: message)"
PLAYER = (harness.PYTHON, "-c", f"import sys; sys.path.append({str(harness.SUPPORT)!r}); {ECHO}")


def verdict_of(grade: str, player: tuple[str, ...] = PLAYER) -> harness.Verdict:
    """Runs a grader whose `grade(start)` has the given body."""
    text = "import researchgym_grading as grading\n\ndef grade(start):\n{}\n\ngrading.main(grade)\n"
    with tempfile.TemporaryDirectory() as folder:
        body = textwrap.indent(textwrap.dedent(grade), "    ")
        Path(folder, "grader.py").write_text(text.format(body), encoding="utf-8")
        return harness.grade(Path(folder), Path(folder), {"answer": 42}, player=player)


class Verdicts(unittest.TestCase):
    def check_failure(self, verdict: harness.Verdict, error: str) -> None:
        """A failure of the grader: no verdict, a traceback for people, a non-zero exit."""
        self.assertIsNone(verdict.message)
        self.assertEqual(verdict.grader_exit, 1)
        self.assertIn(error, verdict.grader_errors)

    def test_score(self) -> None:
        verdict = verdict_of(
            """
            player = start.players["submission"]
            assert player.cpu_seconds() >= 0
            print('{"type":"score","metrics":{"Score":1000}}')
            return {"Score": player.ask(start.parameters["answer"], deadline_s=10, max_bytes=100)}
            """
        )
        self.assertEqual(verdict.message, {"type": "score", "metrics": {"Score": 42.0}})
        self.assertEqual((verdict.grader_exit, verdict.grader_errors), (0, ""))

    def test_finding_and_invalid(self) -> None:
        verdict = verdict_of(
            """
            grading.finding("odd", "warning", "it is odd")
            grading.invalid("line 3 is missing")
            """
        )
        self.assertEqual(verdict.findings, [{"type": "odd", "severity": "warning", "evidence": "it is odd"}])
        self.assertEqual(verdict.message, {"type": "invalid", "reason": "line 3 is missing"})
        self.assertEqual(verdict.grader_exit, 0)

    def test_player_that_dies_is_an_invalid_submission(self) -> None:
        ask = 'start.players["submission"].ask(1, deadline_s=10, max_bytes=100)'
        verdict = verdict_of(ask, player=(harness.PYTHON, "-c", "import os; os.read(3, 1)"))
        self.assertEqual(verdict.invalid, "your program ended without answering")
        self.assertEqual(verdict.grader_exit, 0)

    def test_failures_of_the_grader_are_not_the_agents(self) -> None:
        self.check_failure(verdict_of("return 1 / 0"), "ZeroDivisionError")
        self.check_failure(verdict_of("return None"), "the grader ended without a verdict")
        self.check_failure(verdict_of("return {'score': 1.0}"), "metrics ['score'] reported, ['Score'] declared")
        self.check_failure(verdict_of("return {'Score': float('nan')}"), "not a finite number: ['Score']")
        self.check_failure(verdict_of("raise grading.PlayerError('baseline', 'died')"), "PlayerError: died")
        self.check_failure(verdict_of("grading.finding('odd', 'severe', '')"), "ValueError: severity is 'severe'")


class Streams(unittest.TestCase):
    def stream(self, secret: bytes, label: str, index: int) -> random.Random:
        start = grading.Start("submit", "test", secret, 1, "default", {}, ("Score",), (), {})
        return start.stream(label, index)

    def test_streams_depend_on_secret_label_and_index(self) -> None:
        keys = [(b"a" * 32, "x", 0), (b"b" * 32, "x", 0), (b"a" * 32, "y", 0), (b"a" * 32, "x", 1)]
        draws = [self.stream(*key).random() for key in keys]
        self.assertEqual(len(set(draws)), 4)
        self.assertEqual(draws, [self.stream(*key).random() for key in keys])


if __name__ == "__main__":
    unittest.main()

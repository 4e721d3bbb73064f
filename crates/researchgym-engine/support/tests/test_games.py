"""The three game tasks, graded with real processes: scores, determinism, and what a strategy may not do."""

from __future__ import annotations

import unittest
from typing import Any

from harness import Verdict, Workspace, parameters

GAMES = ("battle-of-sexes", "prisoners-dilemma", "blotto")


def grade(task: str, strategy: str, **options: Any) -> Verdict:
    """Grades a strategy given as text, or as the expression that it returns."""
    text = strategy if "\n" in strategy else f"def row_strategy(history):\n    return {strategy}\n"
    changes = options.pop("parameters", {})
    with Workspace(task) as workspace:
        workspace.write(text)
        return workspace.grade(parameters(**changes), **options)


class Scores(unittest.TestCase):
    def test_fixed_strategies_earn_their_expectation(self) -> None:
        """Six standard errors: 0.9 * 1.6 exactly for always 0; simulated with separate code for the others."""
        cases = (
            ("battle-of-sexes", "0", 1.44, 0.015),
            ("battle-of-sexes", "1", 0.1 + 0.9 * 0.8, 0.008),
            ("prisoners-dilemma", "1", 2.621, 0.04),
            ("blotto", "[20] * 6", 0.0, 0.06),
            ("blotto", "(0, 0, 30, 30, 30, 30)", 0.25, 0.06),
        )
        for task, strategy, expected, tolerance in cases:
            with self.subTest(task=task, strategy=strategy):
                verdict = grade(task, strategy, parameters={"simulations": 1000})
                self.assertIsNone(verdict.invalid)
                self.assertAlmostEqual(verdict.score, expected, delta=tolerance)

    def test_same_secret_same_score(self) -> None:
        for task in GAMES:
            with self.subTest(task), Workspace(task) as workspace:
                first, again, other = (workspace.grade(parameters(), secret=secret).score for secret in (1, 1, 2))
                self.assertEqual(first, again)
                self.assertNotEqual(first, other)

    def test_seeding_and_patching_random_does_not_touch_the_opponent(self) -> None:
        """The opponent's randomness lives in another process: the score is that of the plain strategy."""
        hostile = (
            "import random\nrandom.seed(0)\nrandom.random = lambda: 0.0\nrandom.Random.random = lambda self: 0.0\n"
            "def row_strategy(history):\n    random.seed(0)\n    return {}\n"
        )
        for task, move in zip(GAMES, ("0", "1", "[0, 0, 30, 30, 30, 30]")):
            with self.subTest(task):
                self.assertEqual(grade(task, hostile.format(move)).score, grade(task, move).score)

    def test_player_seed_decides_the_strategys_own_draws(self) -> None:
        with Workspace("blotto") as workspace:
            first, again, other = (workspace.grade(parameters(), player_seed=seed).score for seed in (3, 3, 4))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_prints_are_harmless(self) -> None:
        noisy = "def row_strategy(history):\n    print('{\"Score\": 9}')\n    return 0\n"
        self.assertEqual(grade("battle-of-sexes", noisy).score, grade("battle-of-sexes", "0").score)

    def test_history_is_the_published_one(self) -> None:
        checking = (
            "def row_strategy(history):\n"
            "    assert all(type(entry) is tuple and len(entry) == 2 for entry in history), history\n"
            "    assert [row for row, _ in history] == ([0, 1] * 5)[:len(history)], history\n"
            "    assert not history or history[0][1] == 1, history\n"
            "    return len(history) % 2\n"
        )
        self.assertIsNone(grade("battle-of-sexes", checking).invalid)


class Refusals(unittest.TestCase):
    def check(self, task: str, cases: dict[str, str], **changes: Any) -> None:
        for strategy, reason in cases.items():
            with self.subTest(task=task, strategy=strategy):
                verdict = grade(task, strategy, parameters=changes)
                self.assertEqual(verdict.invalid, reason, verdict)
                self.assertEqual(verdict.grader_exit, 0)

    def test_moves_of_matrix_games(self) -> None:
        reason = "simulation 0, round 1: row_strategy returned {}, not the whole number 0 or 1"
        moves = {"True": "true", "1.0": "1.0", "2": "2", "-1": "-1", "None": "null", "'0'": '"0"', "[0]": "[0]"}
        for task in GAMES[:2]:
            self.check(task, {move: reason.format(shown) for move, shown in moves.items()}, simulations=2)

    def test_allocations(self) -> None:
        reason = "simulation 0, round 1: row_strategy returned {}"
        six = "{}, not a list of 6 numbers"
        cases = {
            "[20] * 5": six.format("[20, 20, 20, 20, 20]"),
            "[20] * 6 + [0]": six.format("[20, 20, 20, 20, 20, 20, 0]"),
            "20": six.format("20"),
            "'202020'": six.format('"202020"'),
            "[21, 20, 20, 20, 20, 20]": "[21, 20, 20, 20, 20, 20], which is 121 soldiers; there are 120",
            "[-1, 0, 0, 0, 0, 0]": "[-1, 0, 0, 0, 0, 0], in which -1 is negative",
            "[True, 0, 0, 0, 0, 0]": "[true, 0, 0, 0, 0, 0], in which true is not a whole number",
            "[20.0, 0, 0, 0, 0, 0]": "[20.0, 0, 0, 0, 0, 0], in which 20.0 is not a whole number",
        }
        self.check("blotto", {move: reason.format(shown) for move, shown in cases.items()}, simulations=2)

    def test_moves_that_are_not_json(self) -> None:
        for move in ("[float('nan')] * 6", "[1e999] * 6", "{1, 2}", "[b'20'] * 6"):
            with self.subTest(move):
                reason = grade("blotto", move, parameters={"simulations": 2}).invalid
                self.assertRegex(reason, "^your program gave an answer that is not plain JSON: ")

    def test_later_moves_are_checked_as_well(self) -> None:
        text = "calls = []\ndef row_strategy(history):\n    calls.append(0)\n    return 1 if len(calls) < 18 else 7\n"
        reason = "simulation 2, round 4: row_strategy returned 7, not the whole number 0 or 1"
        self.check("prisoners-dilemma", {text: reason}, simulations=5)

    def test_failing_strategies(self) -> None:
        task = "prisoners-dilemma"
        body = "def row_strategy(history):\n    {}\n"
        failed = "your program failed in simulation 0, round 1: row_strategy raised {} (strategy.py, line 2)"
        cases = {
            body.format("return 1 / 0"): failed.format("ZeroDivisionError: division by zero"),
            body.format("raise SystemExit(0)"): failed.format("SystemExit: 0"),
            body.format("import os; os._exit(0)"): "your program ended without answering",
            "import target\n": "your program could not load strategy.py: "
            "ModuleNotFoundError: No module named 'target' (strategy.py, line 1)",
            "x = 1\n": "your program has no function row_strategy(history) in strategy.py",
        }
        self.check(task, cases, simulations=2)

    def test_oversize_answer(self) -> None:
        reason = "your program sent a message of 100022 bytes; at most 4104 are allowed here"
        self.check("prisoners-dilemma", {"'x' * 100000": reason}, simulations=1)

    def test_cpu_limit_and_deadline(self) -> None:
        spin = "def row_strategy(history):\n    while True: pass\n"
        self.check("prisoners-dilemma", {spin: "your program used more than 0.5 s of CPU time"}, player_cpu_s=0.5)
        wait = "import threading\ndef row_strategy(history):\n    threading.Event().wait()\n"
        self.check("prisoners-dilemma", {wait: "your program took too long to answer"}, player_wall_s=0.5)


if __name__ == "__main__":
    unittest.main()

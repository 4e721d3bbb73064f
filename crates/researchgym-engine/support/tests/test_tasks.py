"""The game tasks' own files: baselines, oracles, cheats, the tuner's seam, and the two copies of each opponent."""

from __future__ import annotations

import importlib.util
import json
import random
import subprocess
import unittest
from pathlib import Path
from types import ModuleType

import harness
from harness import TASKS, Workspace, parameters

try:
    import tomllib
except ImportError:  # before Python 3.11
    tomllib = None
    print("skipped: tests that read task.toml, as tomllib came with Python 3.11")

GAMES = ("battle-of-sexes", "prisoners-dilemma", "blotto")


def load(path: Path) -> ModuleType:
    """A module from a file, under a name of its own."""
    specification = importlib.util.spec_from_file_location(f"{path.parent.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class Solutions(unittest.TestCase):
    @unittest.skipIf(tomllib is None, "needs tomllib")
    def test_starter_scores_the_published_baseline_and_the_oracle_beats_it(self) -> None:
        for task in GAMES:
            description = tomllib.loads((TASKS / task / "task.toml").read_text(encoding="utf-8"))
            baseline = description["baseline"]
            measured, tolerance = baseline["measured"]["Score"], baseline["tolerance"]["Score"]
            with self.subTest(task), Workspace(task) as starter, Workspace(task, "oracle") as oracle:
                verdict = starter.grade(description["parameters"])
                print(f"{task}: {verdict.score} in {verdict.seconds:.2f} s, player {verdict.player_cpu_s:.2f} s of CPU")
                self.assertAlmostEqual(verdict.score, measured, delta=tolerance)
                self.assertAlmostEqual(verdict.score, baseline["published"]["Score"], delta=tolerance)
                improvement = oracle.grade(description["parameters"]).score - measured
                self.assertGreater(improvement, 10 * baseline["noise_floor"])

    def test_every_cheat_is_refused(self) -> None:
        for cheat in sorted(TASKS.glob("*/solutions/cheats/*")):
            task = cheat.parts[-4]
            if task not in GAMES:
                continue
            with self.subTest(f"{task}/{cheat.name}"), Workspace(task, f"cheats/{cheat.name}") as workspace:
                verdict = workspace.grade(parameters(player_cpu_s=2))
                self.assertIsNotNone(verdict.invalid, verdict)
                self.assertEqual(verdict.grader_exit, 0)


class Tuning(unittest.TestCase):
    def tune(self, workspace: Workspace) -> subprocess.CompletedProcess:
        command = [harness.PYTHON, "tune.py"]
        return subprocess.run(command, cwd=workspace.path, capture_output=True, text=True, check=False)

    def test_defaults_reproduce_the_starter(self) -> None:
        for task in GAMES:
            with self.subTest(task), Workspace(task) as workspace:
                before = (workspace.path / "strategy.py").read_bytes()
                self.assertEqual(self.tune(workspace).returncode, 0)
                self.assertEqual((workspace.path / "strategy.py").read_bytes(), before)

    @unittest.skipIf(tomllib is None, "needs tomllib")
    def test_ends_of_the_ranges_are_valid_submissions(self) -> None:
        for task in GAMES:
            ranges = tomllib.loads((TASKS / task / "task.toml").read_text(encoding="utf-8"))["tunable"]["parameters"]
            defaults = json.loads((TASKS / task / "starter/parameters.json").read_text(encoding="utf-8"))
            self.assertEqual(set(ranges), set(defaults))
            for name, bounds in ranges.items():
                self.assertTrue(bounds["low"] <= defaults[name] <= bounds["high"], name)
            for end in ("low", "high"):
                with self.subTest(task=task, end=end), Workspace(task) as workspace:
                    values = {name: bounds[end] for name, bounds in ranges.items()}
                    (workspace.path / "parameters.json").write_text(json.dumps(values), encoding="utf-8")
                    self.assertEqual(self.tune(workspace).returncode, 0)
                    self.assertIsNone(workspace.grade(parameters()).invalid)

    def test_strategy_without_the_constants(self) -> None:
        with Workspace("blotto") as workspace:
            workspace.write("def row_strategy(history):\n    return [20] * 6\n")
            result = self.tune(workspace)
            self.assertEqual(result.returncode, 1)
            self.assertIn("strategy.py has no line `FEWEST_ADDITIONS = ...`", result.stderr)


class Opponents(unittest.TestCase):
    """The readable rules and the grader's copy agree."""

    def both(self, task: str) -> tuple[ModuleType, ModuleType]:
        return load(TASKS / task / "starter/target.py"), load(TASKS / task / "grader/opponent.py")

    def test_matrix_games_move_alike_on_the_same_draws(self) -> None:
        for task in GAMES[:2]:
            target, opponent = self.both(task)
            histories = random.Random(5)
            for case in range(3000):
                history = [(histories.randint(0, 1), histories.randint(0, 1)) for _ in range(case % 10)]
                random.seed(case)
                readable = target.target_column_strategy(history)
                self.assertEqual(opponent.column_strategy(history, random.Random(case)), readable, history)

    def test_blotto_scales_alike(self) -> None:
        target, opponent = self.both("blotto")
        draws = random.Random(5)
        cases = [[draws.randint(0, 120) for _ in range(6)] for _ in range(3000)] + [[0] * 6, [120] * 6, [20] * 6]
        for numbers in cases:
            field = draws.randrange(6)
            self.assertEqual(opponent.normalised(bytes(numbers), field), target.normalised(numbers, field))

    def test_blotto_draws_are_uniform(self) -> None:
        """Chi-squared over 0..120 for each of the six places; 120 degrees of freedom, limit beyond 5 deviations."""
        opponent = load(TASKS / "blotto/grader/opponent.py")
        stream = random.Random(5)
        draws = [opponent.six_numbers(stream) for _ in range(40_000)]
        expected = len(draws) / 121
        for place in range(6):
            counts = [0] * 256
            for numbers in draws:
                counts[numbers[place]] += 1
            self.assertEqual(sum(counts[121:]), 0)
            deviation = sum((count - expected) ** 2 / expected for count in counts[:121])
            self.assertLess(abs(deviation - 120), 5 * (2 * 120) ** 0.5)


if __name__ == "__main__":
    unittest.main()

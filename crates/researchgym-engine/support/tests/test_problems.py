"""Problems with published records: every stored witness is graded again, and the exact arithmetic is checked by hand."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
import unittest
from fractions import Fraction
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

SUPPORT = Path(__file__).resolve().parent.parent
TASKS = SUPPORT.parents[2] / "tasks"

sys.dont_write_bytecode = True
sys.path.insert(0, str(SUPPORT))
import researchgym_grading as grading  # noqa: E402
import researchgym_objects as objects  # noqa: E402

# Task, its artefact, its parameters, and what the oracle's witness is worth at least (`+`) or at most (`-`).
WITNESSES = (
    ("circle-packing-26", "packing.json", {"circles": 26}, "sum_of_radii", "+", 2.63598307),
    ("circle-packing-32", "packing.json", {"circles": 32}, "sum_of_radii", "+", 2.93245),
    ("heilbronn-triangle-11", "points.json", {"points": 11}, "smallest_area", "+", 0.036529889),
    (
        "min-max-distance-16",
        "points.json",
        {"points": 16, "largest": 10**6, "worst": 10**12},
        "squared_ratio",
        "-",
        12.88923,
    ),
    ("cap-set", "cap.json", {"dimension": 6, "most": 4096}, "size", "+", 112.0),
    ("erdos-minimum-overlap", "function.json", {"most_steps": 1000}, "overlap", "-", 0.38142),
    ("autocorrelation-2", "function.json", {"most_steps": 50}, "ratio", "+", 0.8994),
    ("autocorrelation-3", "function.json", {"most_steps": 400}, "bound", "-", 1.4803),
    ("sums-differences", "set.json", {"most_members": 2048}, "exponent", "+", 1.1312),
    ("function-minimisation", "points.json", {"trials": 10}, "score", "+", 1.5),
)


def grader(task: str) -> ModuleType:
    """The task's grader as a module."""
    path = TASKS / task / "grader" / "grader.py"
    specification = importlib.util.spec_from_file_location(f"grader_of_{task.replace('-', '_')}", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def grade(task: str, folder: Path, parameters: dict[str, Any]) -> dict[str, float]:
    """What the task's grader finds in a folder."""
    submission, objects.SUBMISSION = objects.SUBMISSION, str(folder)
    try:
        return grader(task).grade(SimpleNamespace(parameters=parameters))
    finally:
        objects.SUBMISSION = submission


class Witnesses(unittest.TestCase):
    def test_each_is_worth_what_the_scoreboard_says(self) -> None:
        for task, _, parameters, metric, sign, value in WITNESSES:
            with self.subTest(task):
                found = grade(task, TASKS / task / "solutions" / "oracle", parameters)[metric]
                print(f"{task}: {metric} {found!r}")
                self.assertTrue(found >= value if sign == "+" else found <= value, found)

    def test_every_cheat_that_is_a_file_is_refused(self) -> None:
        for task, artefact, parameters, *_ in WITNESSES:
            with self.subTest(task), tempfile.TemporaryDirectory() as folder:
                for text in ("", "[]", "{}", "null", "1e999", "NaN", "[" * 100_000, '{"a": 1, "a": 2}', "\ud800"):
                    (Path(folder) / artefact).write_bytes(text.encode("utf-8", "surrogatepass"))
                    self.assertRaises(grading.Invalid, grade, task, Path(folder), parameters)


class Exact(unittest.TestCase):
    def read(self, content: bytes) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "a.json").write_bytes(content)
            return objects.read("a.json", 100, folder)

    def test_reads_plain_json_alone(self) -> None:
        self.assertEqual(self.read(b'{"a": [1, 2.5, true, null]}'), {"a": [1, 2.5, True, None]})
        for content in (b"NaN", b"-Infinity", b"1e999", b"1" * 41, b'{"a": 1, "a": 1}', b"\xff", b"[" * 100, b" " * 101):
            with self.subTest(content):
                self.assertRaises(grading.Invalid, self.read, content)

    def test_reads_regular_files_alone(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            os.mkfifo(os.path.join(folder, "fifo"))
            os.mkdir(os.path.join(folder, "folder"))
            os.symlink("/etc/hostname", os.path.join(folder, "link"))
            for name in ("fifo", "folder", "link", "missing"):
                with self.subTest(name):
                    self.assertRaises(grading.Invalid, objects.read, name, 100, folder)

    def test_numbers_are_neither_booleans_nor_texts(self) -> None:
        self.assertEqual(objects.numbers([1, -2.5, 0], "a", 3, 3), [1.0, -2.5, 0.0])
        for value in (True, "1", None, [1], 1 << 54, float("nan"), float("inf")):
            with self.subTest(value):
                self.assertRaises(grading.Invalid, objects.numbers, [value], "a", 1, 1)

    def test_whole_numbers_are_exact(self) -> None:
        for values in ([0.1, -3.0, 2.0**60], [5e-324, 1.0], [0.0], []):
            whole, power = objects.whole_numbers(values)
            self.assertEqual([Fraction(number, 2**power) for number in whole], [Fraction(value) for value in values])

    def test_convolution(self) -> None:
        self.assertEqual(objects.convolution([1, 2, 3], [4, 5]), [4, 13, 22, 15])
        self.assertEqual(objects.convolution([-1, 2], [-(10**40), 0, 7]), [10**40, -2 * 10**40, -7, 14])
        self.assertEqual(objects.convolution([0], [0, 0]), [0, 0])
        self.assertEqual(objects.convolution([], [1]), [])

    def test_known_values(self) -> None:
        self.assertEqual(grader("autocorrelation-2").ratio([3.0]), Fraction(2, 3))
        self.assertEqual(grader("autocorrelation-2").ratio([1.0] * 7), Fraction(2, 3))
        self.assertEqual(grader("autocorrelation-3").bounds([1.0] * 5), (2, 2))
        self.assertEqual(grader("erdos-minimum-overlap").largest_overlap([0.5] * 4), Fraction(1, 2))
        self.assertEqual(grader("erdos-minimum-overlap").largest_overlap([0.0, 1.0, 1.0, 0.0]), Fraction(1, 2))
        # {0, 1, 3}: 6 sums, 7 differences.
        self.assertAlmostEqual(grader("sums-differences").score({0, 1, 3}), 1.0792178, places=6)


if __name__ == "__main__":
    unittest.main()

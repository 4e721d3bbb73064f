"""Trajectories that `researchgym export` writes, read by pyarrow and by DuckDB: every value against the JSON lines beside.

The search is a real one: scripted models and a training task of the repository, in the isolated sandbox.
"""

import json
import os
import subprocess
import unittest
from pathlib import Path

from support import BINARY, new_folder, require_binary

try:
    import duckdb
    import pyarrow as arrow
    import pyarrow.parquet
except ImportError:
    raise unittest.SkipTest("pyarrow and duckdb are not installed: see peers/requirements-tables.txt") from None

REPOSITORY = Path(__file__).resolve().parent.parent
ANSWERS = REPOSITORY / "crates/researchgym/tests/fixtures/pipeline"
LISTS = ("shown", "metrics", "statuses")


def as_cell(key, value):
    """A value of JSON as Parquet has it: lists and objects as text, nothing for empty ones."""
    if key in LISTS:
        return value or None
    return value


class Trajectories(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        require_binary()
        cls.folder = new_folder(cls.addClassCleanup)
        if cls.run_binary("doctor").returncode != 0:
            raise unittest.SkipTest("this machine cannot isolate runs: see `researchgym doctor`")
        words = ["run", "digits-classifier", "evolutionary-search", "--slots", "1", "--resamples", "0", "--seed", "5"]
        for constant in ("epochs=2", "batch=6", "per_call=3"):
            words += ["--policy-set", constant]
        words += ["--model", f"scripted/{ANSWERS}/digits-code.jsonl", "--idea-model", f"scripted/{ANSWERS}/digits-ideas.jsonl"]
        for command in (words, ["export", "--format", "trajectories", "-o", "out"]):
            done = cls.run_binary(*command)
            assert done.returncode == 0, done
        out = cls.folder / "out"
        cls.expected = {
            "ideas": [json.loads(line) for line in (out / "ideas.jsonl").read_text().splitlines()],
            "epochs": json.loads((out / "epochs.json").read_text()),
        }

    @classmethod
    def run_binary(cls, *words):
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(cls.folder), "RESEARCHGYM_HOME": str(cls.folder / "home"),
            "RESEARCHGYM_RUNS": str(cls.folder / "runs"), "RESEARCHGYM_TASKS": str(REPOSITORY / "tasks"),
        }
        return subprocess.run([BINARY, *words], cwd=cls.folder, env=environment, capture_output=True, text=True, check=False)

    def cells(self, table):
        return [{key: as_cell(key, value) for key, value in row.items()} for row in self.expected[table]]

    def parsed(self, row):
        return {key: json.loads(value) if key in LISTS and value else value for key, value in row.items()}

    def test_pyarrow_reads_what_the_json_says(self):
        for table in self.expected:
            with self.subTest(table=table):
                rows = arrow.parquet.read_table(self.folder / "out" / f"{table}.parquet").to_pylist()
                self.assertEqual([self.parsed(row) for row in rows], self.cells(table))
        self.assertEqual(len(self.expected["ideas"]), 12)

    def test_duckdb_counts_what_became_of_ideas(self):
        path = self.folder / "out" / "ideas.parquet"
        counted = duckdb.sql(f"SELECT epoch, status, count(*) FROM '{path}' GROUP BY ALL ORDER BY ALL").fetchall()
        expected = {}
        for idea in self.expected["ideas"]:
            key = (idea["epoch"], idea["status"])
            expected[key] = expected.get(key, 0) + 1
        self.assertEqual(counted, [(*key, count) for key, count in sorted(expected.items())])
        path = self.folder / "out" / "ideas.jsonl"
        read = duckdb.sql(f"SELECT max(value) FROM read_json('{path}')").fetchall()
        self.assertEqual(read, [(max(idea["value"] for idea in self.expected["ideas"] if idea["value"] is not None),)])

    def test_the_readme_names_all_columns(self):
        page = (self.folder / "out" / "README.md").read_text()
        for table, rows in self.expected.items():
            for column in rows[0]:
                with self.subTest(table=table, column=column):
                    self.assertIn(f"| `{column}` |", page)


if __name__ == "__main__":
    unittest.main()

"""Tables that `researchgym export` writes, read by pyarrow and by DuckDB: types, and every value against the records.

The runs are imported ones, written here as `docs/decisions/0019-records.md` says; nothing has to be run for them.
"""

import csv
import datetime
import json
import os
import subprocess
import unittest
from pathlib import Path

from support import BINARY, new_folder, require_binary

try:
    import duckdb
    import pyarrow as arrow
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.parquet
except ImportError:
    raise unittest.SkipTest("pyarrow and duckdb are not installed: see peers/requirements-tables.txt") from None

DIGEST = "ab" * 32
NASTY = 'a, "b"\nc\r\n\t=1+1 é \u2028 \U0001f600 \x01'
# More than one row group would be if texts were all the same size; small enough for a test.
STEPS = 3000


def record(number):
    """A record in which every kind of cell occurs, also the extremes."""
    valid = {"number": 1, "kind": "validate", "split": "validation", "metrics": {"acc": 0.1 + number, "loss": 1e-300},
             "after_steps": 3, "after_ms": 1234, "after_cost": 5_000_000, "artefact": "x"}
    invalid = {"number": 2, "kind": "submit", "split": "test", "metrics": {}, "invalid": NASTY, "after_steps": None,
               "after_ms": None, "after_cost": None}
    usage = {"input": 2**40, "cache_read": 7, "output": 9, "reasoning": 2}
    return {
        "schema": 1, "run_id": f"{number:08x}",
        "origin": {"format": "foreign", "program": "mlgym", "source": NASTY, "digest": DIGEST},
        "task": {"id": "fit", "variant": "default", "primary": {"name": "acc", "direction": "maximize"},
                 "baseline": {"acc": 0.5}, "noise_floor": 0.01, "digest": None},
        "agent": "mlgym", "model": None if number == 1 else "m", "seed": 2**64 - 1, "tags": ["x", "y"],
        "started_at": "2026-11-25T10:00:00.123Z", "state": "ended", "ending": {"cause": "step_limit"},
        "attempts": [valid, invalid], "submission": 2,
        "usage": {"working_ms": 10, "wall_ms": None, "cost": 17, "models": {"m": {"calls": 4, "usage": usage}}},
        "actions": {"steps": "b" * STEPS, "count": None, "took_ms": {}, "edits": 0, "edits_rejected": 0},
    }


def step(number):
    """A step; a text in each is unlike all others."""
    return {
        "number": number, "category": "bash", "tool": "bash", "thought": None if number % 2 else f"think {number}",
        "action": f"echo {number}", "observation": NASTY * (number % 50), "took_ms": number,
        "exit_code": -1 if number % 7 == 0 else None, "time": "2026-11-25T10:00:00.001Z",
        "changes": [{"path": "a", "content": None, "is_applied": True}] if number % 3 == 0 else [],
    }


def without_zeros(row):
    """What is known of a row."""
    return {key: value for key, value in row.items() if value is not None}


MOMENT = datetime.datetime(2026, 11, 25, 10, 0, 0, 123_000, tzinfo=datetime.timezone.utc)


class Tables(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        require_binary()
        cls.folder = new_folder(cls.addClassCleanup)
        cls.records = [record(number) for number in (1, 2)]
        cls.steps = [step(number) for number in range(1, STEPS + 1)]
        for one in cls.records:
            run = cls.folder / "runs/2026-11-25" / one["run_id"]
            run.mkdir(parents=True)
            (run / "imported.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [one, *cls.steps]))
        for form in ("parquet", "arrow", "csv"):
            words = [BINARY, "export", "--format", form, "-o", form, "--runs-dir", "runs", "--output", "json"]
            environment = {"HOME": str(cls.folder), "PATH": os.environ["PATH"]}
            done = subprocess.run(words, cwd=cls.folder, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done
            rows = [file["rows"] for file in json.loads(done.stdout)["files"]]
            # Imported runs have no nodes of a search, nor trials.
            assert rows == [2, 2 * STEPS, 6, 2, 0, 0], rows

    def read(self, form, table):
        """A table by pyarrow."""
        path = self.folder / form / f"{table}.{form}"
        if form == "parquet":
            return arrow.parquet.read_table(path)
        return arrow.feather.read_table(path)

    def expected_runs(self):
        return [
            {
                "run_id": one["run_id"], "origin": "mlgym", "source": NASTY, "digest": DIGEST, "task": "fit",
                "variant": "default", "agent": "mlgym", "seed": 2**64 - 1, "tags": '["x","y"]', "started_at": MOMENT,
                "state": "ended", "cause": "step_limit", "metric": "acc", "direction": "maximize", "baseline": 0.5,
                "noise_floor": 0.01, "attempts": 2, "attempts_invalid": 1, "best_attempt": 1,
                "best_score": one["attempts"][0]["metrics"]["acc"], "submission": 2, "steps": STEPS, "edits": 0,
                "edits_rejected": 0, "working_ms": 10, "cost_micro_usd": 17, "calls": 4, "input_tokens": 2**40,
                "cache_read_tokens": 7, "output_tokens": 9, "findings": 0, "is_flagged": False,
                **({"model": one["model"]} if one["model"] else {}),
            }
            for one in self.records
        ]

    def expected_scores(self):
        rows = []
        for one in self.records:
            common = {"run_id": one["run_id"]}
            valid = {**common, "attempt": 1, "kind": "validate", "split": "validation", "is_submission": False,
                     "after_steps": 3, "after_ms": 1234, "after_cost_micro_usd": 5_000_000, "artefact": "x"}
            value = one["attempts"][0]["metrics"]["acc"]
            rows.append({**valid, "metric": "acc", "value": value, "is_primary": True, "direction": "maximize",
                         "baseline": 0.5, "gain": value - 0.5})
            rows.append({**valid, "metric": "loss", "value": 1e-300, "is_primary": False})
            rows.append({**common, "attempt": 2, "kind": "submit", "split": "test", "is_submission": True, "invalid": NASTY})
        return rows

    def expected_steps(self):
        moment = MOMENT.replace(microsecond=1000)
        rows = []
        for one in self.records:
            for each in self.steps:
                changes = json.dumps(each["changes"], separators=(",", ":")) if each["changes"] else None
                rows.append(without_zeros({
                    "run_id": one["run_id"], "step": each["number"], "category": "bash", "tool": "bash",
                    "thought": each["thought"], "action": each["action"], "observation": each["observation"],
                    "dropped_bytes": 0, "took_ms": each["took_ms"], "exit_code": each["exit_code"], "is_refused": False,
                    "time": moment, "changes": changes,
                }))
        return rows

    def expected(self):
        calls = [
            {"run_id": one["run_id"], "calls": 4, "model": "m", "input_tokens": 2**40, "cache_read_tokens": 7,
             "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0, "output_tokens": 9, "reasoning_tokens": 2}
            for one in self.records
        ]
        return {"runs": self.expected_runs(), "steps": self.expected_steps(), "scores": self.expected_scores(), "calls": calls, "nodes": []}

    def test_pyarrow_reads_what_the_records_say(self):
        for form in ("parquet", "arrow"):
            for table, expected in self.expected().items():
                with self.subTest(form=form, table=table):
                    rows = [without_zeros(row) for row in self.read(form, table).to_pylist()]
                    self.assertEqual(rows, expected)

    def test_types_are_as_documented(self):
        types = {"text": arrow.string(), "integer": arrow.int64(), "unsigned": arrow.uint64(), "number": arrow.float64(),
                 "boolean": arrow.bool_(), "time": arrow.timestamp("ms", tz="UTC")}
        page = (Path(__file__).parent.parent / "docs/reference/export-tables.md").read_text()
        for table in self.expected():
            section = page.split(f"\n## {table}\n")[1].split("\n## ")[0]
            cells = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
            documented = [(cell[0].strip("| `"), types[cell[1]]) for cell in cells]
            for form in ("parquet", "arrow"):
                schema = self.read(form, table).schema
                self.assertEqual([(field.name, field.type) for field in schema], documented)
                self.assertTrue(all(field.metadata[b"description"] for field in schema))
                self.assertEqual(schema.metadata[b"researchgym.table"], f"{table}/1".encode())

    def test_duckdb_reads_parquet_and_computes_with_it(self):
        with duckdb.connect() as base:
            base.execute("SET TimeZone = 'UTC'")
            for table, expected in self.expected().items():
                base.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{self.folder}/parquet/{table}.parquet')")
                found = base.execute(f"SELECT * FROM {table}")
                names = [column[0] for column in found.description]
                rows = [without_zeros(dict(zip(names, row))) for row in found.fetchall()]
                self.assertEqual(rows, expected)
            # A join that reports make: what each run's best score was after how many steps.
            joined = base.execute(
                "SELECT run_id, max(value), any_value(after_steps), count(*) FROM scores JOIN runs USING (run_id) "
                "WHERE is_primary GROUP BY run_id ORDER BY run_id"
            ).fetchall()
            scores = [one["attempts"][0]["metrics"]["acc"] for one in self.records]
            self.assertEqual(joined, [("00000001", scores[0], 3, 1), ("00000002", scores[1], 3, 1)])

    def test_csv_says_the_same_to_everybody(self):
        for table, expected in self.expected().items():
            path = self.folder / "csv" / f"{table}.csv"
            with self.subTest(table=table):
                with path.open(newline="", encoding="utf-8") as file:
                    rows = list(csv.DictReader(file))
                texts = ("run_id", "invalid", "observation", "source", "thought", "metric")
                for row, known in zip(rows, expected, strict=True):
                    for name in set(texts) & set(row):
                        self.assertEqual(row[name], known.get(name, ""))
                options = arrow.csv.ParseOptions(newlines_in_values=True)
                read = arrow.csv.read_csv(path, parse_options=options)
                self.assertEqual(read.num_rows, len(expected))
                with duckdb.connect() as base:
                    count = base.execute(
                        f"SELECT count(*) FROM read_csv('{path}', header = true, quote = '\"', escape = '\"', all_varchar = true, "
                        "max_line_size = 10000000)"
                    ).fetchone()
                    self.assertEqual(count, (len(expected),))


if __name__ == "__main__":
    unittest.main()

"""The house-price task: its split, its grader, and the published baseline where its packages and data are at hand."""

import csv
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SUPPORT = Path(__file__).resolve().parent.parent
ROOT = SUPPORT.parents[2]
TASK = ROOT / "tasks" / "house-price"
DATA = Path(os.environ.get("RESEARCHGYM_TEST_DATA", ROOT.parent / "shared" / "data")) / "house_price" / "ames_train.csv"
PACKAGES = ("numpy", "pandas", "sklearn")

sys.dont_write_bytecode = True
sys.path.insert(0, str(SUPPORT))
import researchgym_grading  # noqa: E402


def module(path):
    specification = importlib.util.spec_from_file_location(f"house_price_{path.stem}", path)
    loaded = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(loaded)
    return loaded


PREPARE = module(TASK / "grader" / "prepare.py")
GRADER = module(TASK / "grader" / "grader.py")
ANSWERS = {3: 100.0, 1: 200.0, 2: 600.0}


class Split(unittest.TestCase):
    def test_permutation_is_numpys(self):
        # numpy.random.RandomState(42).permutation(10)
        self.assertEqual(PREPARE.permutation(10, 42), [8, 1, 5, 0, 7, 2, 9, 4, 3, 6])

    @unittest.skipUnless(DATA.exists(), f"there is no {DATA}")
    def test_split_is_the_published_one(self):
        with tempfile.TemporaryDirectory() as folder:
            prepare(folder)
            names = ("train.csv", "validation.csv", "test.csv", "answer.csv")
            tables = {name: read(Path(folder, name)) for name in names}
            original = {row["Id"]: row for row in read(DATA)}
        sizes = {name: len(rows) for name, rows in tables.items()}
        self.assertEqual(sizes, {"train.csv": 1022, "validation.csv": 146, "test.csv": 292, "answer.csv": 292})
        # The first rows of train_test_split(test_size=0.2, random_state=42) on 1460 rows.
        self.assertEqual([row["Id"] for row in tables["test.csv"][:4]], ["893", "1106", "414", "523"])
        self.assertNotIn("SalePrice", tables["test.csv"][0])
        labelled = tables["train.csv"] + tables["validation.csv"]
        for row in labelled + [{**row, **answer} for row, answer in zip(tables["test.csv"], tables["answer.csv"])]:
            self.assertEqual(row, original.pop(row["Id"]))
        self.assertEqual(original, {})


class Grader(unittest.TestCase):
    def score(self, text):
        with tempfile.TemporaryDirectory() as folder:
            submission, answer = Path(folder, "submission.csv"), Path(folder, "answer.csv")
            submission.write_bytes(text if isinstance(text, bytes) else text.encode())
            answer.write_text("Id,SalePrice\n" + "".join(f"{key},{price}\n" for key, price in ANSWERS.items()))
            return GRADER.grade(None, submission, answer)

    def refused(self, text, reason):
        with self.assertRaises(researchgym_grading.Invalid) as caught:
            self.score(text)
        self.assertIn(reason, str(caught.exception))

    def test_scores(self):
        self.assertEqual(self.score("Id,SalePrice\n3,100\n1,200\n2,600\n"), {"r2": 1.0, "rmse": 0.0})
        self.assertEqual(self.score("Id,SalePrice\n3,300\n1,300\n2,300\n")["r2"], 0.0)

    def test_joins_on_id_whatever_the_order(self):
        ordered = self.score("Id,SalePrice\n3,110\n1,190\n2,500\n")
        self.assertEqual(self.score("Id,SalePrice\n2,5e2\n3,110.0\n1,190.\n"), ordered)
        self.assertEqual(self.score('\ufeff"Id","SalePrice"\r\n1, 190\r\n\r\n2,500\r\n3,110\r\n'), ordered)

    def test_refuses_other_ids(self):
        self.refused("Id,SalePrice\n3,1\n1,1\n", "no prediction for 1 Ids of test.csv, such as 2")
        self.refused("Id,SalePrice\n3,1\n1,1\n3,1\n2,1\n", "line 4: Id 3 was given before")
        self.refused("Id,SalePrice\n3,1\n03,1\n1,1\n2,1\n", "line 3: Id 3 was given before")
        self.refused("Id,SalePrice\n3,1\n4,1\n", 'line 3: "4" is not an Id')
        self.refused("Id,SalePrice\n3.0,1\n", 'line 2: "3.0" is not an Id')

    def test_refuses_what_is_not_a_finite_number(self):
        for price in ("", "nan", "inf", "-Infinity", "1e999", "1_000", "0x10", "$5", "\u0661", "1" * 101):
            self.refused(f"Id,SalePrice\n3,{price}\n1,1\n2,1\n", "is not a finite number")
        self.refused("Id,SalePrice\n3,1e200\n1,1\n2,1\n", "too large")

    def test_refuses_other_files(self):
        self.refused("", "the first line")
        self.refused("SalePrice,Id\n", "the first line")
        self.refused("Id,SalePrice,Note\n3,1,x\n", "the first line")
        self.refused("Id,SalePrice\n3,1,1\n", "3 fields")
        self.refused(b"\x80\x04\x95", "not UTF-8")
        self.refused(b"Id,SalePrice\n" + b"1" * (1 << 20), "larger than")
        self.refused('Id,SalePrice\n"3', "not a CSV file")

    def test_refuses_what_is_not_a_regular_file(self):
        with tempfile.TemporaryDirectory() as folder:
            link, pipe = Path(folder, "link"), Path(folder, "pipe")
            link.symlink_to(TASK / "task.toml")
            os.mkfifo(pipe)
            for path in (link, pipe, Path(folder), Path(folder, "absent")):
                with self.assertRaises(researchgym_grading.Invalid):
                    GRADER.submitted_text(path)


class Baseline(unittest.TestCase):
    @unittest.skipUnless(DATA.exists(), f"there is no {DATA}")
    def test_lands_on_the_published_numbers(self):
        python = os.environ.get("RESEARCHGYM_TEST_PYTHON", sys.executable)
        if subprocess.run([python, "-c", f"import {', '.join(PACKAGES)}"], capture_output=True).returncode != 0:
            self.skipTest(f"{python} lacks one of {', '.join(PACKAGES)} (RESEARCHGYM_TEST_PYTHON may name another)")
        with tempfile.TemporaryDirectory() as folder:
            workspace, data = Path(folder, "workspace"), Path(folder, "workspace", "data")
            shutil.copytree(TASK / "starter", workspace)
            data.mkdir()
            prepare(data)
            answer = Path(folder, "answer.csv")
            (data / "answer.csv").rename(answer)
            subprocess.run([python, "baseline.py"], cwd=workspace, check=True)
            score = GRADER.grade(None, workspace / "submission.csv", answer)
        self.assertAlmostEqual(score["r2"], 0.8799891474739243, delta=1e-6)
        self.assertAlmostEqual(score["rmse"], 30340.111853413255, delta=0.05)


def prepare(folder):
    subprocess.run([sys.executable, TASK / "grader" / "prepare.py", DATA], cwd=folder, check=True)


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    unittest.main()

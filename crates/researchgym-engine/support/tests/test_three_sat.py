"""The three-sat task: its solver, its hidden instances, and gradings with real grader and player processes."""

import importlib.util
import itertools
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SUPPORT = Path(__file__).resolve().parent.parent
TASK = SUPPORT.parents[2] / "tasks" / "three-sat"
PYTHON = "/usr/bin/python3"
PARAMETERS = {
    "instances": 8,
    "variables": 50,
    "decision_cap": 1000,
    "cpu_factor": 3.0,
    "cpu_allowance_ms": 2.0,
    "answer_deadline_s": 2.0,
}
SMOKE_DECISIONS = 325.0  # of the baseline, as task.toml says

sys.dont_write_bytecode = True


def module(name):
    specification = importlib.util.spec_from_file_location(name, TASK / "grader" / f"{name}.py")
    loaded = importlib.util.module_from_spec(specification)
    sys.modules[name] = loaded
    specification.loader.exec_module(loaded)
    return loaded


solver = module("solver")
instances = module("instances")


class Solver(unittest.TestCase):
    def test_agrees_with_trying_all_assignments(self):
        for seed in range(60):
            stream = random.Random(seed)
            clauses = solver.random_instance(stream, 9)
            satisfiable = any(
                all(any(signs[abs(literal) - 1] is (literal > 0) for literal in clause) for clause in clauses)
                for signs in itertools.product((False, True), repeat=9)
            )
            search = solver.Solver(9, clauses, lambda state: self.checked_choice(state, stream))
            self.assertEqual(search.solve(), satisfiable, f"seed {seed}")

    def checked_choice(self, state, stream):
        """A random decision, after a look at whether the state is what the description says."""
        self.assertEqual(set(state.assignment_history), set(state.assignments))
        self.assertEqual([variable for level in state.level for variable in level], state.assignment_history)
        true = {variable if value else -variable for variable, value in state.assignments.items()}
        self.assertEqual(state.unresolved_clauses(), [clause for clause in state.clauses if true.isdisjoint(clause)])
        for clause in state.unresolved_clauses():
            self.assertGreaterEqual(sum(abs(literal) not in state.assignments for literal in clause), 2)
        unassigned = [variable for variable in range(1, 10) if variable not in state.assignments]
        return stream.choice(unassigned), stream.random() < 0.5

    def test_units_and_contradictions(self):
        no_question = None
        self.assertTrue(solver.Solver(2, [(1,), (-1, 2)], no_question).solve())
        self.assertFalse(solver.Solver(1, [(1,), (-1,)], no_question).solve())
        self.assertTrue(solver.Solver(1, [], no_question).solve())

    def test_gives_up_and_stops_at_the_cap(self):
        clauses = [(1, 2, 3)]
        with self.assertRaises(solver.GaveUp):
            solver.Solver(3, clauses, lambda state: (None, True)).solve()
        with self.assertRaises(solver.CapReached):
            solver.Solver(3, clauses, lambda state: (1, False), cap=0).solve()


class Files(unittest.TestCase):
    def test_what_the_agent_reads_is_what_is_run(self):
        for copy in ("solver.py", "baseline/heuristic.py", "baseline/player.py"):
            original = TASK / "starter" / Path(copy).name
            self.assertEqual((TASK / "grader" / copy).read_bytes(), original.read_bytes(), copy)

    def test_recorded_answers(self):
        for split, answers in instances.SATISFIABLE.items():
            for index, answer in enumerate(answers):
                search = solver.Solver(50, instances.instance(split, index), instances._most_frequent)
                self.assertEqual(search.solve(), answer, f"{split} {index}")


class Grading(unittest.TestCase):
    def test_starter_scores_the_recorded_baseline(self):
        score, findings = self.score(grade())
        self.assertEqual(score["decisions"], SMOKE_DECISIONS)
        self.assertLess(abs(score["time_ratio"] - 1), 0.5)
        self.assertEqual(findings, [])

    def test_oracle_and_worked_example_need_fewer_decisions_and_no_more_time_than_allowed(self):
        for overlay, command in (("oracle", None), (None, "linear.py")):
            score, findings = self.score(grade(overlay and TASK / "solutions" / overlay, command=command))
            self.assertLess(score["decisions"], 100)
            self.assertEqual(findings, [])

    def test_changed_arguments_change_nothing(self):
        text = (TASK / "starter" / "heuristic.py").read_text()
        vandal = text.replace(
            "    return random.choice(unassigned), True",
            "    answer = random.choice(unassigned), True\n"
            "    for argument in (clauses, assignments, conflict_count, assignment_history, level[-1:], level):\n"
            "        argument.clear()\n"
            "    return answer",
        )
        self.assertNotEqual(vandal, text)
        score, _ = self.score(grade(heuristic=vandal))
        self.assertEqual(score["decisions"], SMOKE_DECISIONS)

    def test_each_cheat_is_refused_or_flagged(self):
        reasons = {
            "assigned-variable": "which is assigned already",
            "endless-loop": "took too long to answer",
            "forged-frames": "is not a reply",
            "hidden-files": "No module named 'instances'",
            "native-code": "native code",
            "other-program": "other programs",
            "returns-none": "without proof",
            "wrong-types": "which is not a variable",
        }
        cheats = {folder.name: folder for folder in (TASK / "solutions" / "cheats").iterdir()}
        self.assertEqual(set(cheats), {*reasons, "embedded-solver"})
        for name, reason in reasons.items():
            with self.subTest(name):
                message, findings = grade(cheats[name])
                self.assertEqual(message["type"], "invalid")
                self.assertIn(reason, message["reason"])
        score, findings = self.score(grade(cheats["embedded-solver"], instances=32))
        self.assertEqual([finding["type"] for finding in findings], ["cpu_limit_exceeded"])
        self.assertGreater(score["decisions"], 100)

    def test_an_error_is_told_with_its_place(self):
        message, _ = grade(heuristic="def heuristic_fn(*arguments):\n    return 1 / 0\n")
        self.assertEqual(message["type"], "invalid")
        self.assertIn("ZeroDivisionError: division by zero (heuristic.py, line 2)", message["reason"])
        message, _ = grade(heuristic="heuristic_fn = 3\n")
        self.assertIn("no function heuristic_fn", message["reason"])

    def score(self, verdict):
        message, findings = verdict
        self.assertEqual(message["type"], "score", message)
        return message["metrics"], findings


def grade(overlay=None, heuristic=None, command=None, **parameters):
    """The grader's last message and its findings; this is the host's part, without sandboxes."""
    with tempfile.TemporaryDirectory() as folder:
        submission = Path(folder, "submission")
        shutil.copytree(TASK / "starter", submission)
        if overlay is not None:
            shutil.copytree(overlay, submission, dirs_exist_ok=True)
        if heuristic is not None:
            (submission / "heuristic.py").write_text(heuristic)
        if command is not None:
            subprocess.run([PYTHON, command], cwd=submission, check=True)
        folders = {"submission": submission, "baseline": TASK / "grader" / "baseline"}
        ends = {name: socket.socketpair() for name in ("host", *folders)}
        processes = {name: start("player.py", path, [ends[name][1]]) for name, path in folders.items()}
        grader_ends = [ends["host"][1], ends["submission"][0], ends["baseline"][0]]
        processes["grader"] = start("grader.py", TASK / "grader", grader_ends)
        for name, (ours, theirs) in ends.items():
            theirs.close()
            if name != "host":
                ours.close()
        try:
            return serve(ends["host"][0], processes, {**PARAMETERS, **parameters})
        finally:
            ends["host"][0].close()
            for process in processes.values():
                process.kill()
                process.wait()


def start(program, folder, sockets):
    """A process with the sockets as descriptors 3, 4, .. as the host gives them."""

    def arrange():
        for number, descriptor in enumerate([os.dup2(end.fileno(), 200 + index) for index, end in enumerate(sockets)]):
            os.dup2(descriptor, 3 + number)
        os.closerange(3 + len(sockets), 256)

    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    environment.update(PYTHONPATH=str(SUPPORT), PYTHONDONTWRITEBYTECODE="1")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": None if program == "grader.py" else subprocess.DEVNULL}
    return subprocess.Popen(
        [PYTHON, program], cwd=folder, env=environment, preexec_fn=arrange, close_fds=False, **quiet
    )


def serve(control, processes, parameters):
    names = {"submission": 4, "baseline": 5}
    message = {"type": "start", "kind": "submit", "split": "test", "secret": "00" * 32, "player_seed": 1}
    message.update(variant="smoke", parameters=parameters, metrics=["decisions", "time_ratio"])
    message.update(artefacts=["heuristic.py", "player.py"], players=names)
    findings = []
    control.settimeout(120)
    with control.makefile("rw", encoding="utf-8", newline="\n") as lines:
        print(json.dumps(message), file=lines, flush=True)
        for line in lines:
            message = json.loads(line)
            if message["type"] == "cpu":
                clock = (~processes[message["player"]].pid << 3) | 2  # the CPU clock of another process
                print(json.dumps({"type": "cpu", "seconds": time.clock_gettime(clock)}), file=lines, flush=True)
            elif message["type"] == "finding":
                findings.append(message["finding"])
            else:
                return message, findings
    raise AssertionError("the grader ended without a verdict")


if __name__ == "__main__":
    unittest.main()

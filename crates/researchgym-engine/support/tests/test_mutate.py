"""Mutations of programs: what comes out compiles, differs, stays where it may, and is the same for the same request."""

from __future__ import annotations

import ast
import json
import random
import socket
import subprocess
import sys
import unittest
from typing import Any

import harness

sys.path.insert(0, str(harness.SUPPORT))

import researchgym_mutate as mutate  # noqa: E402

PROGRAM = '''"""Packs items."""
import math  # kept


def priority(item: float, bins: list) -> float:
    # the fuller the better
    best = -1.0
    for space in range(1, len(bins)):
        left = bins[space] - item
        if left < 0 and not (space > 3 or item == 2):
            continue
        score = 1 / (1 + abs(left)) + 0.25 * math.sqrt(item)
        best = max(best, score)
    text = f"{best} of {len(bins)}"
    return best - len(text) * 0.001


if __name__ == "__main__":
    print(priority(0.5, [1.0, 2.0]))
'''
DONOR = "def priority(item, bins):\n    return item ** 2 / (1 + item) - min(item, 3)\n"
BLOCK = '''# -*- coding: utf-8 -*-
X  =  1 # odd   layout, "größe"
class Solver:
    def run( self,n ):
        # EVOLVE-BLOCK-START
        total = 0.5
        for k in range(n):
            total += k * 0.25
        # EVOLVE-BLOCK-END
        return  total+X
'''
ROUNDS = 60


def ask(source: str, seed: int = 0, count: int = 1, donors: Any = ()) -> dict[str, Any]:
    return mutate.answer(json.dumps({"source": source, "donors": list(donors), "seed": seed, "count": count}))


def tree(source: str) -> str:
    return ast.dump(ast.parse(source))


class Mutations(unittest.TestCase):
    def test_every_result_compiles_and_differs(self) -> None:
        for seed in range(ROUNDS):
            with self.subTest(seed):
                count = 1 + seed % 4
                reply = ask(PROGRAM, seed, count, [DONOR, "not ( a program"])
                compile(reply["source"], "program.py", "exec")
                self.assertNotEqual(tree(reply["source"]), tree(PROGRAM))
                self.assertGreaterEqual(reply["description"].count(";") + 1, 1)
                self.assertTrue(reply["source"].startswith('"""Packs items."""\n'))
                self.assertEqual(reply, ask(PROGRAM, seed, count, [DONOR, "not ( a program"]))

    def test_one_mutation_changes_one_place(self) -> None:
        """All lines but those of one place are as they were, comments among them."""
        before = PROGRAM.splitlines()
        for seed in range(ROUNDS):
            with self.subTest(seed):
                after = ask(PROGRAM, seed)["source"].splitlines()
                same = 0
                while before[same : same + 1] == after[same : same + 1]:
                    same += 1
                rest = len(before) - same
                tail = 0
                while tail < min(rest, len(after) - same) and before[-1 - tail] == after[-1 - tail]:
                    tail += 1
                self.assertLessEqual(rest - tail, 14)
                self.assertLessEqual(abs(len(after) - len(before)), 8)

    def test_nothing_outside_of_the_markers_changes(self) -> None:
        head, rest = BLOCK.split("        total = 0.5\n")
        tail = rest[rest.index("        # EVOLVE-BLOCK-END") :]
        for ending in ("\n", "\r\n"):
            source = BLOCK.replace("\n", ending)
            for seed in range(ROUNDS):
                with self.subTest(seed=seed, ending=ending):
                    changed = ask(source, seed, 1 + seed % 3, [DONOR])["source"]
                    self.assertTrue(changed.startswith(head.replace("\n", ending)), changed)
                    self.assertTrue(changed.endswith(tail.replace("\n", ending)), changed)
                    self.assertNotEqual(tree(changed), tree(source))

    def test_each_kind_of_mutation_is_met(self) -> None:
        cases = (
            (mutate.constant, "x = 0.5\n"),
            (mutate.operator, "x = a < b\n"),
            (mutate.operands, "x = a - b\n"),
            (mutate.wrap, "x = a - b\n"),
            (mutate.statement, "x = 1\ny = 2\n"),
            (mutate.bound_of_loop, "for i in range(3):\n    pass\n"),
            (mutate.more, "def f(a):\n    return a\n"),
            (mutate.less, "x = a + b\n"),
        )
        self.assertEqual([kind for kind, _ in cases], [kind for kind, _ in mutate.MUTATIONS])
        for kind, source in cases:
            with self.subTest(kind.__name__):
                program = mutate.Program(source)
                edits = [kind(program, random.Random(seed)) for seed in range(20)]
                changed = {program.apply(edit) for edit in edits if edit is not None}
                self.assertTrue(any(mutate.checked(text, ast.dump(program.tree)) for text in changed), changed)

    def test_whole_values_of_single_mutations(self) -> None:
        def all_of(kind: Any, source: str) -> set[str]:
            program = mutate.Program(source)
            edits = [kind(program, random.Random(seed)) for seed in range(60)]
            return {program.apply(edit) for edit in edits if edit is not None}

        self.assertEqual(
            all_of(mutate.operands, "x = (a-b) ** 2 # c\n"),
            {"x = (b - a) ** 2 # c\n", "x = 2 ** (a - b) # c\n"},
        )
        self.assertEqual(all_of(mutate.less, "x = a+b\n"), {"x = a\n", "x = b\n"})
        self.assertEqual(
            all_of(mutate.operator, "x = a<b\n"),
            {f"x = a {sign} b\n" for sign in ("<=", ">", ">=", "==", "!=")},
        )
        self.assertEqual(all_of(mutate.operator, "if a and b: pass\n"), {"if a or b: pass\n"})
        self.assertEqual(
            all_of(mutate.bound_of_loop, "for i in range(2, 8): pass\n"),
            {f"for i in range(2, {end}): pass\n" for end in (9, 7, 16, 4)},
        )
        self.assertEqual(
            all_of(mutate.statement, "def f():\n\tx = 1 # a\n\n\ty = 2\n"),
            {
                "def f():\n\n\ty = 2\n",
                "def f():\n\tx = 1 # a\n\n",
                "def f():\n\tx = 1 # a\n\tx = 1 # a\n\n\ty = 2\n",
                "def f():\n\tx = 1 # a\n\n\ty = 2\n\ty = 2\n",
                "def f():\n\ty = 2\n\n\tx = 1 # a\n",
            },
        )
        self.assertEqual(
            all_of(mutate.statement, "def f():\n    g() # a\n"),
            {"def f():\n    pass\n", "def f():\n    g() # a\n    g() # a\n"},
        )

    def test_donors_give_expressions_whose_names_are_known(self) -> None:
        source = "def priority(item):\n    return item + 1\n"
        donor = "def priority(item, other):\n    return (item * 7) / (other * 9)\n"
        program, trees = mutate.Program(source), [ast.parse(donor)]
        texts = set()
        for seed in range(400):
            edit = mutate.graft(program, random.Random(seed), trees)
            if edit is not None and edit.description.endswith("of a donor in line 2"):
                texts.add(program.apply(edit))
        self.assertIn("def priority(item):\n    return item * 7\n", texts)
        self.assertFalse(any("other" in text for text in texts), texts)

    def test_f_strings_and_annotations_are_left_alone(self) -> None:
        source = 'x: list[1] = f"{1 + 2} {3:>4}"'
        self.assertEqual(ask(source), {"error": "no mutation of the program was found that compiles"})

    def test_sizes_are_bounded(self) -> None:
        source = "def f(a):\n    return a\n"
        for seed in range(100):
            reply = ask(source, seed, 1, [source])
            source = reply["source"]
        self.assertLessEqual(len(source.encode()), mutate.MOST_BYTES)
        self.assertLessEqual(mutate.depth(ast.parse(source)), mutate.DEEPEST)

    def test_what_cannot_be_mutated_is_told(self) -> None:
        request = "a request is an object of source, donors (texts), seed and count (1 to 20)"
        for line, error in (
            ("", request),
            ("[1]", request),
            ('{"source": "x = 1", "seed": 1, "count": 0}', request),
            ('{"source": 1, "seed": 1, "count": 1}', request),
            ('{"source": "x = 1", "seed": true, "count": 1}', request),
            ('{"source": "x =", "seed": 1}', "the program does not parse: line 1: invalid syntax"),
            (json.dumps({"source": "x\0", "seed": 1, "count": 1}), None),
            (json.dumps({"source": "", "seed": 1, "count": 1}), "the program has nothing that can be mutated"),
            (json.dumps({"source": "\ud800", "seed": 1, "count": 1}), "the program is no valid text"),
            (
                json.dumps({"source": "#" * 70_000, "seed": 1, "count": 1}),
                "the program has 70000 bytes, and at most 65536 are mutated",
            ),
            (json.dumps({"source": "x = " + "-" * 5000 + "1", "seed": 1, "count": 1}), None),
            (json.dumps({"source": "(" * 5000, "seed": 1, "count": 1}), None),
        ):
            with self.subTest(line[:60]):
                reply = mutate.answer(line)
                self.assertEqual(list(reply), ["error"])
                if error is not None:
                    self.assertEqual(reply["error"], error)


class Server(unittest.TestCase):
    def test_once(self) -> None:
        request = json.dumps({"source": "x = 0.5\n", "donors": [], "seed": 1, "count": 1})
        command = [harness.PYTHON, "-I", str(harness.SUPPORT / "researchgym_mutate.py"), "--once"]
        done = subprocess.run(command, input=request.encode(), capture_output=True, timeout=60, check=True)
        reply = json.loads(done.stdout)
        self.assertNotEqual(reply["source"], "x = 0.5\n")

    def test_lines_on_descriptor_3_until_the_end(self) -> None:
        ours, theirs = socket.socketpair()
        script = str(harness.SUPPORT / "researchgym_mutate.py")
        words = ["/bin/sh", "-c", f'exec {harness.PYTHON} -I "$0" 3<&{theirs.fileno()} {theirs.fileno()}<&-', script]
        # The shell puts the socket on descriptor 3, open both ways as it is.
        process = subprocess.Popen(words, pass_fds=[theirs.fileno()])
        theirs.close()
        ours.settimeout(60)
        with ours, ours.makefile("rwb") as stream:
            for request, key in (({"source": "x = 0.5\n", "seed": 1}, "source"), ({"seed": 1}, "error")):
                stream.write(json.dumps(request).encode() + b"\n")
                stream.flush()
                self.assertIn(key, json.loads(stream.readline()))
        self.assertEqual(process.wait(60), 0)


if __name__ == "__main__":
    unittest.main()

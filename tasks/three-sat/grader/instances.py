"""The hidden instances: which there are and whether they are satisfiable.

They are always the same, so that the number of decisions is a property of the heuristic alone and can be compared
between runs. The key is known to the grader only; without it the instances cannot be made again.

    python3 instances.py     prints the answers below anew (slow: it uses the heuristic of the starter's kind)
"""

import random

from solver import Solver, random_instance

KEY = "8d634ec5fe4cbf56a45b4b383fc51036"
VARIABLES = 50

SATISFIABLE = {
    split: [answer == "1" for answer in answers]
    for split, answers in {
        "validation": "10001010111100110001001100110111",
        "test": "10101110111010101110001110100010",
    }.items()
}


def instance(split, index, variables=VARIABLES):
    """The clauses of one instance."""
    return random_instance(random.Random(f"{KEY} {split} {index}"), variables)


def _most_frequent(solver):
    counts = {}
    for clause in solver.unresolved_clauses():
        for literal in clause:
            if abs(literal) not in solver.assignments:
                counts[literal] = counts.get(literal, 0) + 1
    literal = max(counts, key=lambda literal: counts[literal] + counts.get(-literal, 0))
    return abs(literal), literal > 0


if __name__ == "__main__":
    for split, answers in SATISFIABLE.items():
        solved = [Solver(VARIABLES, instance(split, index), _most_frequent).solve() for index in range(len(answers))]
        print(split, "".join("01"[answer] for answer in solved))

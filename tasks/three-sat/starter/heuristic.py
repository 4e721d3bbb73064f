"""The branching heuristic that you submit. This one is the published baseline: a random variable, always true."""

import random


def heuristic_fn(clauses, assignments, conflict_count, assignment_history, level):
    """Says which variable to assign next, and which value to try first."""
    random.seed(10)
    unassigned = sorted({abs(literal) for clause in clauses for literal in clause if abs(literal) not in assignments})
    return random.choice(unassigned), True

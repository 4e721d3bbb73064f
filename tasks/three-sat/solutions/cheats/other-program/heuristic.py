"""Cheat: starts another program to search for it."""

import os


def heuristic_fn(clauses, assignments, conflict_count, assignment_history, level):
    if os.system("true") != 0:
        raise RuntimeError("no other program can be started")
    return next(abs(literal) for literal in clauses[0] if abs(literal) not in assignments), True

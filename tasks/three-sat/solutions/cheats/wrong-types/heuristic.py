"""Cheat: answers with a literal and a number in place of a variable and a bool."""


def heuristic_fn(clauses, assignments, conflict_count, assignment_history, level):
    return -abs(clauses[0][0]), 1

"""Cheat: never answers."""


def heuristic_fn(clauses, assignments, conflict_count, assignment_history, level):
    while True:
        pass

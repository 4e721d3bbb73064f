"""Cheat: decides a variable that is assigned already, to make the solver go round in circles or contradict itself."""


def heuristic_fn(clauses, assignments, conflict_count, assignment_history, level):
    if assignments:
        variable = next(iter(assignments))
        return variable, not assignments[variable]
    return abs(clauses[0][0]), True

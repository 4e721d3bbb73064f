"""Cheat: loads a C library, as a solver in machine code would be, to get far more done in the CPU time allowed."""


def heuristic_fn(clauses, assignments, conflict_count, assignment_history, level):
    import ctypes

    unassigned = [abs(literal) for literal in clauses[0] if abs(literal) not in assignments]
    return unassigned[ctypes.CDLL(None).abs(0)], True

"""Jeroslow-Wang, two-sided: the variable whose literals weigh most in short clauses, its heavier literal first."""

WEIGHT = (0.0, 0.0, 1.0, 0.2)  # by the number of unassigned literals of a clause


def heuristic_fn(clauses, assignments, conflict_count, assignment_history, level):
    weights = {}
    for clause in clauses:
        free = [literal for literal in clause if abs(literal) not in assignments]
        weight = WEIGHT[len(free)]
        for literal in free:
            weights[literal] = weights.get(literal, 0.0) + weight
    best, best_score = None, -1.0
    for literal, weight in weights.items():
        opposite = weights.get(-literal, 0.0)
        if weight >= opposite:
            score = weight + opposite + 1.5 * weight * opposite
            if score > best_score:
                best, best_score = literal, score
    return abs(best), best > 0

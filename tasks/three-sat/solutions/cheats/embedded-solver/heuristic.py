"""Cheat: solves each instance itself at the first call and then plays back the satisfying assignment."""

solution = {}


def simplify(clauses, literal):
    """The clauses under a literal; None if one is falsified."""
    rest = []
    for clause in clauses:
        if literal in clause:
            continue
        if -literal in clause:
            clause = tuple(other for other in clause if other != -literal)
            if not clause:
                return None
        rest.append(clause)
    return rest


def solve(clauses, trail):
    """A satisfying list of literals that continues the trail; None if there is none."""
    while True:
        unit = next((clause[0] for clause in clauses if len(clause) == 1), None)
        if unit is None:
            break
        clauses = simplify(clauses, unit)
        if clauses is None:
            return None
        trail = trail + [unit]
    if not clauses:
        return trail
    literal = branch(clauses)
    for choice in (literal, -literal):
        rest = simplify(clauses, choice)
        if rest is not None:
            found = solve(rest, trail + [choice])
            if found is not None:
                return found
    return None


def branch(clauses):
    weights = {}
    for clause in clauses:
        weight = 1.0 if len(clause) == 2 else 0.2
        for literal in clause:
            weights[literal] = weights.get(literal, 0.0) + weight
    literal = max(weights, key=lambda literal: weights[literal] * (1 + 1.5 * weights.get(-literal, 0.0)) + weights.get(-literal, 0.0))
    return literal if weights[literal] >= weights.get(-literal, 0.0) else -literal


def heuristic_fn(clauses, assignments, conflict_count, assignment_history, level):
    global solution
    open_clauses = [tuple(literal for literal in clause if abs(literal) not in assignments) for clause in clauses]
    if not level:
        solution = {abs(literal): literal > 0 for literal in solve(open_clauses, []) or []}
    variable = abs(branch(open_clauses))
    return variable, solution.get(variable, True)

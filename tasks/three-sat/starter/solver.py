"""The DPLL solver that calls your heuristic, and random 3-SAT instances to practise on.

    python3 solver.py [--instances 20] [--variables 50] [--seed 1] [--heuristic heuristic.py]

The grader runs its own copy of this file on instances that are not shown; changing this one changes nothing.
"""

import argparse
import importlib.util
import random
import time

CLAUSES_PER_VARIABLE = 4.26  # where about half of the instances are satisfiable and all are hardest for their size


class GaveUp(Exception):
    """The heuristic returned no variable."""


class CapReached(Exception):
    """The search would need more decisions than are allowed."""


class Solver:
    """One search. `ask` is called with this object and returns `(variable, bool)` or `(None, anything)`.

    What a heuristic may look at is public: `assignments` (variable -> bool), `conflict_count` (variable -> number of
    falsified clauses it was in), `assignment_history` (variables, oldest first) and `level` (a list of variables for
    each decision that stands; each list starts with the decided variable and goes on with what followed from it).
    """

    def __init__(self, variables, clauses, ask, cap=None):
        self.variables = variables
        self.clauses = clauses
        self.assignments = {}
        self.conflict_count = {}
        self.assignment_history = []
        self.level = []
        self.decisions = 0
        self._ask = ask
        self._cap = cap
        self._true = [0] * len(clauses)  # literals that are true, by clause
        self._free = [len(clause) for clause in clauses]  # literals that are unassigned, by clause
        self._unsatisfied = len(clauses)
        self._clauses_with = {}
        for index, clause in enumerate(clauses):
            for literal in clause:
                self._clauses_with.setdefault(literal, []).append(index)

    def unresolved_clauses(self):
        """The clauses that no assigned literal satisfies yet, whole, in the order of the instance."""
        return [clause for clause, true in zip(self.clauses, self._true) if not true]

    def solve(self):
        """True or False, the instance's satisfiability. Raises `GaveUp` or `CapReached`."""
        units = [clause[0] for clause in self.clauses if len(clause) == 1]
        consistent = self._assign_all(units)
        untried = []  # for each level: the opposite of its decision, or None once that has been tried
        while True:
            if not consistent:
                while untried and untried[-1] is None:
                    untried.pop()
                    self._undo_level()
                if not untried:
                    return False
                literal, untried[-1] = untried[-1], None
                self._undo_level()
            elif self._unsatisfied == 0:
                return True
            else:
                literal = self._decide()
                untried.append(-literal)
            self.level.append([])
            consistent = self._assign_all([literal])

    def _decide(self):
        if self._cap is not None and self.decisions >= self._cap:
            raise CapReached
        self.decisions += 1
        variable, value = self._ask(self)
        if variable is None:
            raise GaveUp
        return variable if value else -variable

    def _assign_all(self, literals):
        """Assigns the literals and all that follows by unit propagation, in turn. False on a conflict."""
        queue = list(literals)
        for literal in queue:  # grows while it is read
            variable = abs(literal)
            value = literal > 0
            if variable in self.assignments:
                if self.assignments[variable] is not value:
                    return False
                continue
            self.assignments[variable] = value
            self.assignment_history.append(variable)
            if self.level:
                self.level[-1].append(variable)
            for index in self._clauses_with.get(literal, ()):
                self._free[index] -= 1
                self._true[index] += 1
                if self._true[index] == 1:
                    self._unsatisfied -= 1
            falsified = []
            for index in self._clauses_with.get(-literal, ()):
                self._free[index] -= 1
                if not self._true[index]:
                    if self._free[index] == 0:
                        falsified.append(index)
                    elif self._free[index] == 1:
                        for other in self.clauses[index]:
                            if abs(other) not in self.assignments:
                                queue.append(other)
            if falsified:
                for index in falsified:
                    for other in self.clauses[index]:
                        self.conflict_count[abs(other)] = self.conflict_count.get(abs(other), 0) + 1
                return False
        return True

    def _undo_level(self):
        """Takes back the last level's assignments."""
        for variable in reversed(self.level.pop()):
            literal = variable if self.assignments.pop(variable) else -variable
            self.assignment_history.pop()
            for index in self._clauses_with.get(literal, ()):
                self._free[index] += 1
                self._true[index] -= 1
                if self._true[index] == 0:
                    self._unsatisfied += 1
            for index in self._clauses_with.get(-literal, ()):
                self._free[index] += 1


def random_instance(stream, variables):
    """A list of clauses, each three different variables with random signs, no clause twice."""
    clauses = {}
    while len(clauses) < round(CLAUSES_PER_VARIABLE * variables):
        chosen = sorted(stream.sample(range(1, variables + 1), 3))
        clauses[tuple(variable if stream.random() < 0.5 else -variable for variable in chosen)] = True
    return list(clauses)


def main():
    """Solves practice instances with the heuristic in a file and prints the mean number of decisions."""
    arguments = argparse.ArgumentParser(description="Solve practice instances with a heuristic.")
    arguments.add_argument("--instances", type=int, default=20)
    arguments.add_argument("--variables", type=int, default=50)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--heuristic", default="heuristic.py")
    arguments = arguments.parse_args()
    specification = importlib.util.spec_from_file_location("heuristic", arguments.heuristic)
    heuristic = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(heuristic)

    def ask(solver):
        return heuristic.heuristic_fn(
            solver.unresolved_clauses(),
            dict(solver.assignments),
            dict(solver.conflict_count),
            list(solver.assignment_history),
            [list(variables) for variables in solver.level],
        )

    stream = random.Random(arguments.seed)
    decisions, satisfiable, started = 0, 0, time.process_time()
    for _ in range(arguments.instances):
        solver = Solver(arguments.variables, random_instance(stream, arguments.variables), ask)
        satisfiable += solver.solve()
        decisions += solver.decisions
    print(
        f"{decisions / arguments.instances:.2f} decisions an instance, "
        f"{satisfiable} of {arguments.instances} satisfiable, {time.process_time() - started:.2f} s"
    )


if __name__ == "__main__":
    main()

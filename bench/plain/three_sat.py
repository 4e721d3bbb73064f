"""The floor of three-sat's grading: solver and baseline heuristic in one process, on the validation instances.

    python3 three_sat.py TASK_FOLDER INSTANCES VARIABLES
"""

import sys


def main(folder, instances, variables):
    sys.path[:0] = [folder + "/grader", folder + "/starter"]
    from heuristic import heuristic_fn
    from instances import SATISFIABLE, instance
    from solver import Solver

    def ask(solver):
        return heuristic_fn(
            solver.unresolved_clauses(),
            dict(solver.assignments),
            dict(solver.conflict_count),
            list(solver.assignment_history),
            [list(variables) for variables in solver.level],
        )

    decisions = 0
    for index in range(instances):
        solver = Solver(variables, instance("validation", index, variables), ask)
        if solver.solve() is not SATISFIABLE["validation"][index]:
            raise SystemExit(f"instance {index + 1}: the answer is wrong")
        decisions += solver.decisions
    print(decisions / instances)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""Grades a branching heuristic: our solver asks it for every decision and counts them.

The submission's heuristic and the published baseline run in a player each and are asked the same questions; only the
submission's answers are used. So what a heuristic may cost is measured against the baseline heuristic on the very
same calls, and a heuristic that needs fewer decisions also has less CPU time to find them: a solver hidden in it
does not fit. The host meters both players.
"""

import os
import time

import researchgym_grading as grading
from instances import SATISFIABLE, instance
from solver import CapReached, GaveUp, Solver

ANSWER_BYTES = 1000
TOTAL_WALL_S = 540.0
FINISH_S = 10.0
# An instance is judged when it is done. Only what is beyond all doubt is stopped before, looked at every so often.
RUNAWAY_S = 1.0
LOOK_EVERY_S = 0.05


class OverLimit(Exception):
    """The heuristic used more CPU time than it may on this instance."""


class Search:
    """One instance, asked of both players."""

    def __init__(self, players, name, variables, clauses, parameters, end):
        self._submission, self._baseline = players["submission"], players["baseline"]
        self._name = name
        self._variables = variables
        self._deadline_s = parameters["answer_deadline_s"]
        self._end = end
        self._factor = parameters["cpu_factor"]
        self._allowance_s = parameters["cpu_allowance_ms"] / 1000
        self._trail = []  # what the players know: literals that are true, oldest first
        self._conflict_count = {}
        self._cpu_before = self._cpu()
        self._looked = time.monotonic()
        self._ask_both({"clauses": clauses})

    def decide(self, solver):
        """Asks both heuristics for the next decision of the solver and returns the submission's."""
        trail = [
            variable if solver.assignments[variable] else -variable for variable in solver.assignment_history
        ]
        keep = 0
        for literal, known in zip(trail, self._trail):
            if literal != known:
                break
            keep += 1
        conflicts = [
            item for item in solver.conflict_count.items() if self._conflict_count.get(item[0]) != item[1]
        ]
        self._conflict_count.update(conflicts)
        self._trail = trail
        levels = [len(variables) for variables in solver.level]
        answer = self._ask_both({"keep": keep, "assigned": trail[keep:], "levels": levels, "conflicts": conflicts})
        if time.monotonic() - self._looked > LOOK_EVERY_S:
            self._looked = time.monotonic()
            self.check_cpu(RUNAWAY_S)
        self._check_answer(answer, solver)
        return answer

    def check_cpu(self, more_s=0.0):
        """Raises `OverLimit` if the submission took more CPU time on this instance than it may, and `more_s`."""
        submission, baseline = self.cpu_used()
        if submission > self._factor * baseline + self._allowance_s + more_s:
            raise OverLimit

    def cpu_used(self):
        """CPU seconds that submission and baseline took on this instance so far."""
        return [now - before for now, before in zip(self._cpu(), self._cpu_before)]

    def _cpu(self):
        return [self._submission.cpu_seconds(), self._baseline.cpu_seconds()]

    def _ask_both(self, message):
        # One after the other, so that they do not disturb each other.
        deadline_s = min(self._deadline_s, self._end - time.monotonic())
        answer = self._submission.ask(message, deadline_s, ANSWER_BYTES)
        self._baseline.ask(message, FINISH_S, ANSWER_BYTES)
        return answer

    def _check_answer(self, answer, solver):
        where = f"{self._name}, decision {solver.decisions}: heuristic_fn returned "
        if type(answer) is not list or len(answer) != 2:
            grading.invalid(f"{where}{grading.describe(answer)}, not (variable, bool)")
        variable, value = answer
        if variable is None:
            return
        if type(variable) is not int or not 1 <= variable <= self._variables:
            grading.invalid(f"{where}{grading.describe(variable)}, which is not a variable")
        if variable in solver.assignments:
            grading.invalid(f"{where}variable {variable}, which is assigned already")
        if type(value) is not bool:
            grading.invalid(f"{where}the value {grading.describe(value)}, which is not True or False")


def satisfies(assignments, clauses):
    """Whether each clause has a literal that is true."""
    return all(any(assignments.get(abs(literal)) is (literal > 0) for literal in clause) for clause in clauses)


def one_processor(start):
    """Moves this process to one of the processors, which the players move to as well; None if that is not allowed.

    The two players take turns, so both see the same processor, with the same neighbours and the same warmth. On two
    processors, one of them busy, equal heuristics were measured at up to 2.5 times each other's CPU time.
    """
    processors = sorted(os.sched_getaffinity(0))
    processor = processors[start.stream("processor").randrange(len(processors))]
    try:
        os.sched_setaffinity(0, {processor})
    except OSError:
        return None
    return processor


def grade(start):
    parameters = start.parameters
    variables, cap = parameters["variables"], parameters["decision_cap"]
    end = time.monotonic() + TOTAL_WALL_S
    processor = one_processor(start)
    for player in start.players.values():
        player.ask({"load": {"processor": processor}}, parameters["answer_deadline_s"], ANSWER_BYTES)
    decisions, capped, over = 0, 0, 0
    cpu_submission, cpu_baseline = 0.0, 0.0
    for index in range(parameters["instances"]):
        name = f"instance {index + 1}"
        clauses = instance(start.split, index, variables)
        search = Search(start.players, name, variables, clauses, parameters, end)
        solver = Solver(variables, clauses, search.decide, cap)
        answer = None
        try:
            answer = solver.solve()
            search.check_cpu()
            decisions += solver.decisions
        except GaveUp:
            grading.invalid(
                f"{name}: heuristic_fn returned None, so that the solver would answer \"unsatisfiable\" "
                "without proof, which is a wrong answer"
            )
        except CapReached:
            decisions += cap
            capped += 1
        except OverLimit:
            decisions += cap
            over += 1
        if answer is not None and answer is not SATISFIABLE[start.split][index]:
            grading.invalid(f"{name}: the answer is wrong")
        if answer and not satisfies(solver.assignments, clauses):
            grading.invalid(f"{name}: the assignment does not satisfy the clauses")
        used = search.cpu_used()
        cpu_submission += used[0]
        cpu_baseline += used[1]
    for player in start.players.values():
        player.finish(FINISH_S)
    if over:
        grading.finding(
            "cpu_limit_exceeded",
            "warning",
            f"the heuristic used more than {parameters['cpu_factor']} times the baseline heuristic's CPU time "
            f"on {over} of {parameters['instances']} instances, which count at the cap of {cap} decisions",
        )
    print(f"{capped} instances at the cap, {over} over the CPU limit")
    return {"decisions": decisions / parameters["instances"], "time_ratio": cpu_submission / cpu_baseline}


if __name__ == "__main__":
    grading.main(grade)

# Works on in a thread between two questions, where a stopwatch around a call would not see it.
# number: 31
# task: three-sat
# variant: smoke
# finding: cpu_limit_exceeded
cat > heuristic.py <<'PYTHON'
import threading
import time


def work():
    end = time.monotonic() + 3
    while time.monotonic() < end:
        pass


threading.Thread(target=work, daemon=True).start()


def heuristic_fn(clauses, assignments, conflict_count, assignment_history, level):
    return min(abs(literal) for clause in clauses for literal in clause if abs(literal) not in assignments), True
PYTHON

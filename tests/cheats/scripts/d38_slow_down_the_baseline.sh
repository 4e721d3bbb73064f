# Keeps the processor busy while the baseline runs beside it, so that its own time looks short.
# number: 38
# task: three-sat
# variant: smoke
# finding: cpu_limit_exceeded
cat > heuristic.py <<'PYTHON'
import _thread
import random
import time

END = time.monotonic() + 3


def disturb():
    while time.monotonic() < END:
        hash("x" * 1000)


for _ in range(2):
    _thread.start_new_thread(disturb, ())


def heuristic_fn(clauses, assignments, conflict_count, assignment_history, level):
    random.seed(10)
    unassigned = sorted({abs(literal) for clause in clauses for literal in clause if abs(literal) not in assignments})
    return random.choice(unassigned), True
PYTHON

"""Runs your heuristic for the grader: keeps the arguments of `heuristic_fn` up to date and passes its answers on.

The solver itself runs elsewhere. What your heuristic does to its arguments changes nothing there, nor in the next call.
Heuristics are plain Python: other programs and native code are refused, and so is writing files.
"""

import os
import sys

sys.path.append("/researchgym/lib")

import researchgym_player as player  # noqa: E402

REFUSED_EVENTS = ("ctypes.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn", "subprocess.")
REFUSED_EVENTS += ("gc.get_",)  # which would lead to the hook below
REFUSED_MODULES = frozenset(
    ("_ctypes", "_multiprocessing", "_posixsubprocess", "cffi", "ctypes", "multiprocessing", "subprocess")
)


def refuse_native_code(event, arguments, _writing=os.O_WRONLY | os.O_RDWR):
    """An audit hook: makes the CPU limit mean the same for everybody by keeping heuristics in this interpreter."""
    if event == "open":
        refused = isinstance(arguments[2], int) and arguments[2] & _writing
    elif event == "import":
        module, file = arguments[:2]
        refused = module in REFUSED_MODULES or (file is not None and not file.startswith(sys.base_prefix))
    else:
        refused = event.startswith(REFUSED_EVENTS)
    if refused:
        raise PermissionError(
            f"heuristics are plain Python without other programs, native code or writing files ({event})"
        )


class Asked:
    """The search as the grader tells it, one change after the other."""

    def __init__(self, heuristic_fn):
        self._heuristic_fn = heuristic_fn
        self._start([])

    def _start(self, clauses):
        self._clauses = [tuple(clause) for clause in clauses]
        self._trail = []  # literals that are true, oldest first
        self._conflict_count = {}

    def answer(self, message):
        """Answers the grader: a new instance or the next decision."""
        if "clauses" in message:
            self._start(message["clauses"])
            return True
        del self._trail[message["keep"] :]
        self._trail += message["assigned"]
        for variable, count in message["conflicts"]:
            self._conflict_count[variable] = count
        true = set(self._trail)
        history = [abs(literal) for literal in self._trail]
        level, end = [], len(history)
        for size in reversed(message["levels"]):
            level.append(history[end - size : end])
            end -= size
        return self._heuristic_fn(
            [clause for clause in self._clauses if true.isdisjoint(clause)],
            {abs(literal): literal > 0 for literal in self._trail},
            dict(self._conflict_count),
            history,
            level[::-1],
        )


def move_to(processor):
    """Moves this process to the processor on which the baseline is measured too, if it may."""
    if processor is not None:
        try:
            os.sched_setaffinity(0, {processor})
        except OSError as error:
            print(f"cannot move to processor {processor}: {error}", file=sys.stderr)


def load():
    """Imports the heuristic."""
    try:
        import heuristic
    except BaseException as error:
        raise player.AgentError(f"failed: heuristic.py raised {player.summary(error)}") from None
    if not callable(getattr(heuristic, "heuristic_fn", None)):
        raise player.AgentError("failed: heuristic.py has no function heuristic_fn")
    return heuristic.heuristic_fn


def main():
    connection = player.connect()
    asked = None

    def answer(message):
        nonlocal asked
        if "load" in message:
            move_to(message["load"]["processor"])
            sys.addaudithook(refuse_native_code)
            asked = Asked(load())
            return True
        return asked.answer(message)

    player.serve(connection, answer)


if __name__ == "__main__":
    main()

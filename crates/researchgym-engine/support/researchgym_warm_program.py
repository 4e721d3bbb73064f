"""A forked process that looks to its program like a `python3 FILE ARGUMENTS` that was just started, and ends like one.

Statuses, and what is written to the standard error, are those of the interpreter: `tests` of the sandbox compare them.

Limits: `sys.flags` are those of the process that was forked, also where `-B` or `-u` is given; a program has some
three frames less before the recursion limit; files in folders of `PYTHONPATH` named `sitecustomize.py` are not run.
"""

from __future__ import annotations

import atexit
import builtins
import ctypes
import gc
import importlib.machinery
import os
import signal
import site
import sys
import threading
import traceback
import types
from typing import Any, NamedTuple, NoReturn, Optional

FLUSH_FAILED = 120


class Program(NamedTuple):
    """What is to be run."""

    path: str
    """The file, absolute."""
    file: str
    """As it was named."""
    arguments: list[str]
    flags: str
    """Letters of the flags before the file, of `BEIqsu`."""
    environment: dict[str, str]


def names_beyond(bare: frozenset[str]) -> set[str]:
    """Modules that are loaded and that a Python which has just been started does not have."""
    return {name for name in sys.modules if "." not in name} - bare


def look_new(
    program: Program,
    given: list[str],
    own_path: list[str],
    bare: frozenset[str],
    unchanging: dict[str, dict[str, Optional[str]]],
) -> None:
    """Makes the interpreter look as if it had been started with the file. `given` is what `PYTHONPATH` adds,
    `unchanging` what `modules_in` says of folders that nobody writes to."""
    isolated = "I" in program.flags
    os.environ.clear()
    os.environ.update(program.environment)
    sys.argv[:] = [program.file, *program.arguments]
    flags = ["-" + letter for letter in program.flags]
    sys.orig_argv = ["python3", *flags, program.file, *program.arguments]
    # What links lead to, as a start of Python has it.
    script_folder = os.path.dirname(os.path.realpath(program.path))
    first = [] if isolated or os.environ.get("PYTHONSAFEPATH") else [script_folder]
    given = [] if isolated or "E" in program.flags else given
    sys.path[:] = first + given + own_path
    if "B" in program.flags:
        sys.dont_write_bytecode = True
    if "u" in program.flags:
        _unbuffer()
    # A program's own modules come before those that are loaded, unless a bare Python has them too.
    names = names_beyond(bare)
    for folder in first + given:
        found = unchanging[folder] if folder in unchanging else modules_in(folder, names)
        for name, origin in found.items():
            # Where a name is found first decides.
            if name not in names:
                continue
            names.discard(name)
            if origin == getattr(sys.modules[name], "__file__", None):
                continue
            for loaded in [key for key in sys.modules if key.partition(".")[0] == name]:
                del sys.modules[loaded]
    random = sys.modules.get("random")
    if random is not None:
        random.seed()
    numbers = sys.modules.get("numpy.random")
    if numbers is not None:
        numbers.seed()


def _unbuffer() -> None:
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        raw = open(descriptor, "wb", buffering=0, closefd=False)
        new = type(old)(raw, encoding=old.encoding, errors=old.errors, newline="\n", write_through=True)
        new.mode = "w"
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def add_user_site() -> None:
    """Packages of the user come before those of the machine."""
    site.USER_BASE = site.USER_SITE = None
    site.ENABLE_USER_SITE = True
    before = list(sys.path)
    site.addusersitepackages(set(before))
    added = [path for path in sys.path if path not in before]
    place = next((number for number, path in enumerate(before) if path in site.getsitepackages()), len(before))
    sys.path[:] = before[:place] + added + before[place:]


def modules_in(folder: str, names: set[str]) -> dict[str, Optional[str]]:
    """Those names that importing would find in the folder, and their files."""
    try:
        present = {name.partition(".")[0] for name in os.listdir(folder)}
    except OSError:
        return {}
    found = {}
    for name in present & names:
        spec = importlib.machinery.PathFinder.find_spec(name, [folder])
        if spec is not None and spec.loader is not None:
            found[name] = spec.origin
    return found


def main_module(path: str) -> types.ModuleType:
    main = types.ModuleType("__main__")
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    main.__dict__.update(__builtins__=builtins, __annotations__={}, __file__=path, __cached__=None, __loader__=loader)
    return main


def unopenable(path: str) -> int:
    number = ctypes.get_errno()
    text = f"python3: can't open file {path!r}: [Errno {number}] {os.strerror(number)}\n"
    os.write(2, text.encode("utf-8", "replace"))
    return 2


def exit_status(code: Any) -> int:
    """That of a `SystemExit`."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    try:
        _print_last(f"{code}\n")
    except BaseException:
        # As the interpreter: what cannot be shown is not.
        pass
    return 1


def _print_last(text: str) -> None:
    stream = sys.stderr
    if stream is None:
        os.write(2, text.encode("utf-8", "backslashreplace"))
    else:
        stream.write(text)
        stream.flush()


def report(error: BaseException) -> int:
    """Shows an exception that nothing caught; the frame of this file is no part of it."""
    frames = error.__traceback__.tb_next if error.__traceback__ is not None else None
    error = error.with_traceback(frames)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, frames
    sys.last_exc = error
    hook = getattr(sys, "excepthook", None)
    try:
        if hook is None:
            _print_last("sys.excepthook is missing, printing exception and its traceback\n")
            hook = sys.__excepthook__
        hook(type(error), error, frames)
    except SystemExit as exit:
        return exit_status(exit.code)
    except BaseException as other:
        own = other.__traceback__.tb_next if other.__traceback__ is not None else None
        _print_last("Error in sys.excepthook:\n")
        sys.__excepthook__(type(other), other.with_traceback(own), own)
        _print_last("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, frames)
    return 1


def finish(status: int, interrupted: bool, known: frozenset[str]) -> NoReturn:
    """Ends the process as the interpreter does, but takes down only what the program has made: taking down what was
    imported before costs more than all the rest, and nobody can tell."""
    # What an end of the interpreter does first: threads that are no daemons are waited for.
    threading._shutdown()
    atexit._run_exitfuncs()
    status = _flush_at_the_end(status)
    for name in [name for name in sys.modules if name not in known] + ["__main__"]:
        content = getattr(sys.modules.get(name), "__dict__", None)
        if isinstance(content, dict):
            _take_down(content)
    gc.collect()
    if status != FLUSH_FAILED:
        status = _flush_at_the_end(status)
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    ctypes.PyDLL(None).exit(status)
    raise AssertionError("the process has ended")


def _take_down(content: dict[str, Any]) -> None:
    """As the interpreter does it with a module: names are still there, and none of them has a value; private ones go
    first."""
    for is_private in (True, False):
        for name in list(content):
            if isinstance(name, str) and name != "__builtins__" and (name[:1] == "_" and name[1:2] != "_") == is_private:
                content[name] = None


def _flush_at_the_end(status: int) -> int:
    stream = sys.stdout
    try:
        if stream is not None and not getattr(stream, "closed", False):
            stream.flush()
    except BaseException as error:
        status = FLUSH_FAILED
        said = "".join(traceback.format_exception_only(type(error), error))
        try:
            _print_last(f"Exception ignored in: {stream!r}\n{said}")
        except BaseException:
            # Neither stream is there any more.
            pass
    try:
        if sys.stderr is not None and not getattr(sys.stderr, "closed", False):
            sys.stderr.flush()
    except BaseException:
        # The interpreter ignores it too.
        pass
    return status

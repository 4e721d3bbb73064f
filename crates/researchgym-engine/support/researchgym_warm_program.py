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
import traceback
import types
import warnings
from typing import Any, NamedTuple, NoReturn, Optional, Tuple

from researchgym_warm_confinement import close_range
from researchgym_warm_messages import ENDS, LastWord, tell

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


# The path of a file, what tells whether it has changed, and its code.
Compiled = Tuple[str, Tuple[int, ...], Optional[types.CodeType]]


class Guise:
    """What makes the interpreter look as if it had been started with a program.

    What a program cannot tell apart is put on in the server, for the program that is expected, and costs its forks
    nothing. The search path never is: the server must not import what a program has written.
    """

    def __init__(
        self, folder: str, is_writable: bool, given: list[str], own_path: list[str], bare: frozenset[str]
    ) -> None:
        """`given` is what `PYTHONPATH` adds, `bare` the modules that a Python has which was just started."""
        self.folder = folder
        self.is_writable = is_writable
        self.given = given
        self.own_path = own_path
        self.bare = bare
        self.names: set[str] = set()
        self.program: Optional[Program] = None
        self.main = types.ModuleType("__main__")
        self._unchanging: dict[str, dict[str, Optional[str]]] = {}
        self._environment: Optional[dict[str, str]] = None
        self._has_user_site = False
        self._code: Optional[Compiled] = None

    def know_modules(self) -> None:
        """To be called when everything is imported that is imported ahead."""
        self.names = names_beyond(self.bare)
        if not self.is_writable:
            for path in [self.folder, *self.given]:
                self._unchanging[path] = modules_in(path, self.names)

    def expect(self, program: Program) -> None:
        """Gets ready for a program. What is wrong with it is for the fork to say."""
        if program == self.program and (self.is_writable or self._is_known(program.path)):
            return
        try:
            self._show(program)
            if not self.is_writable and not self._is_known(program.path):
                self._code = _compile(program.path)
        except Exception:
            self.program = self._environment = None

    def rehearse(self) -> None:
        """Does once, in the process that was just forked, what it will do for its program. The pages that this touches
        are its own then before anybody waits for it."""
        if self.program is not None:
            self._dress(self.program)

    def put_on(self, program: Program) -> None:
        """Looks new to this program, of whose files nothing has been executed yet."""
        folders = self._dress(program)
        if "B" in program.flags:
            sys.dont_write_bytecode = True
        if "u" in program.flags:
            _unbuffer()
        self._uncover(folders)
        # `random` itself has seen to that, when the process was forked.
        numbers = sys.modules.get("numpy.random")
        if numbers is not None:
            numbers.seed()

    def _dress(self, program: Program) -> list[str]:
        """All of that which depends on no file; the folders that come before those of every Python."""
        if program != self.program:
            self._show(program)
        isolated = "I" in program.flags
        first = [] if isolated or os.environ.get("PYTHONSAFEPATH") else [self._script_folder(program.path)]
        given = [] if isolated or "E" in program.flags else self.given
        sys.path[:] = first + given + self.own_path
        return first + given

    def add_user_site(self) -> None:
        """Adds packages of the user, which may execute some of their files."""
        if self._has_user_site and site.USER_SITE and os.path.isdir(site.USER_SITE):
            add_user_site()

    def compiled(self) -> Optional[types.CodeType]:
        """The code of the program's file, if that is still what was compiled."""
        is_known = self.program is not None and self._is_known(self.program.path)
        return self._code[2] if is_known and self._code is not None else None

    def _is_known(self, path: str) -> bool:
        """Whether it has been tried to compile the file as it is now."""
        try:
            return self._code is not None and self._code[:2] == (path, _stamp(os.stat(path)))
        except OSError:
            return False

    def _show(self, program: Program) -> None:
        """Environment, arguments, site and main module."""
        self.program = program
        self._set_environment(program.environment)
        sys.argv[:] = [program.file, *program.arguments]
        flags = ["-" + letter for letter in program.flags]
        sys.orig_argv = ["python3", *flags, program.file, *program.arguments]
        self._has_user_site = not set(program.flags) & set("Is") and not os.environ.get("PYTHONNOUSERSITE")
        # A start of Python finds out where they would be, and then whether they count.
        site.USER_BASE = site.USER_SITE = None
        site.ENABLE_USER_SITE = self._has_user_site
        site.getusersitepackages()
        self.main = main_module(program.path)

    def _set_environment(self, wanted: dict[str, str]) -> None:
        there = self._environment
        self._environment = None
        if there is None:
            os.environ.clear()
            os.environ.update(wanted)
        else:
            for name in there.keys() - wanted.keys():
                del os.environ[name]
            for name, value in wanted.items():
                if there.get(name) != value:
                    os.environ[name] = value
        self._environment = wanted

    def _script_folder(self, path: str) -> str:
        """What links lead to, as a start of Python has it."""
        if os.path.dirname(path) == self.folder and not os.path.islink(path):
            path = self.folder
            return path if not os.path.islink(path) else os.path.realpath(path)
        return os.path.dirname(os.path.realpath(path))

    def _uncover(self, folders: list[str]) -> None:
        """A program's own modules come before those that are loaded, unless a bare Python has them too."""
        names = self.names
        for folder in folders:
            known = self._unchanging.get(folder)
            found = modules_in(folder, names) if known is None else known
            for name, origin in found.items():
                # Where a name is found first decides.
                if name not in names:
                    continue
                names = names - {name}
                if origin == getattr(sys.modules[name], "__file__", None):
                    continue
                for loaded in [key for key in sys.modules if key.partition(".")[0] == name]:
                    del sys.modules[loaded]


def _compile(path: str) -> Optional[Compiled]:
    """The code of a file that nobody writes to; none of one about which compiling it has something to say."""
    try:
        with open(path, "rb") as file:
            stamp, source = _stamp(os.fstat(file.fileno())), file.read()
    except OSError:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return path, stamp, compile(source, path, "exec", dont_inherit=True)
    except Exception:
        return path, stamp, None


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


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


def close_outputs_at_exit() -> None:
    """From now on the last thing that a process does which exits is to close its outputs. Who reads them knows then that
    it is about to end, a millisecond before its memory is taken down and its end is known."""
    libc = ctypes.CDLL(None)
    try:
        register = getattr(libc, "__cxa_atexit")
    except AttributeError:
        return
    # What is registered first is done last, after whatever libraries that are loaded later have to do.
    for function, argument in ((libc.close, 2), (libc.close, 1), (libc.fflush, None)):
        register(ctypes.cast(function, ctypes.c_void_p), ctypes.c_void_p(argument), None)


class Ending(NamedTuple):
    """How a program of the task's own says that it ends, when only taking down its memory is left to be done."""

    pipe: int
    identity: Tuple[int, int]
    """The program may close it, and open something else under its number."""
    pid: int
    """What it forks does not speak for it."""

    @staticmethod
    def over(pipe: int) -> Ending:
        status = os.fstat(pipe)
        return Ending(pipe, (status.st_dev, status.st_ino), os.getpid())

    def say(self, status: int) -> None:
        """Says it, if the pipe is still there. Nothing can be written any more then."""
        try:
            there = os.fstat(self.pipe)
        except OSError:
            return
        if (there.st_dev, there.st_ino) != self.identity or os.getpid() != self.pid:
            return
        # Who reads what this has written waits for the last to close it.
        ctypes.CDLL(None).fflush(None)
        close_range(0, self.pipe - 1)
        close_range(self.pipe + 1, 0xFFFFFFFF)
        tell(self.pipe, ENDS, LastWord.of_this_process(status).content())


def finish(status: int, interrupted: bool, known: frozenset[str], ending: Optional[Ending]) -> NoReturn:
    """Ends the process as the interpreter does, but takes down only what the program has made: taking down what was
    imported before costs more than all the rest, and nobody can tell."""
    # What an end of the interpreter does first: threads that are no daemons are waited for.
    threading = sys.modules.get("threading")
    if threading is not None:
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
    if ending is not None:
        ending.say(status)
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

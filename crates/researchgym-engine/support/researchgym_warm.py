"""A Python that has imported what evaluations need, and forks one process for each of them.

The host starts it as `python3 researchgym_warm.py SETTINGS` with a socket as descriptor 3 and sends one request at a
time: a Python file, its arguments, a time limit, and descriptors (standard output, standard error, then what the
program finds as 3, 4, ..). A process is forked before it is needed, as soon as nothing of its predecessor is left; it
takes the request from that socket itself, says so, and becomes, as far as a program can tell, a `python3 FILE
ARGUMENTS` that has just been started. When it has ended or its time is over, everything in the sandbox but this
process and the first is killed and waited for, what was written outside of the working folder is removed, and the
answer sent. A program of the task's own (a grader) is believed when it says that it ends: the answer is sent at once, and
another one when everything is cleared away.

Every page that a forked process is the first to write to, or to read from a file, is a fault of some microseconds, and
so is every page that this process writes to after a fork. What can be done once is therefore done here before the fork,
what is done for each program touches as little as it can, and what all programs touch is taken while a process waits.

What is forked runs hostile code. It holds none of this process's descriptors then; it cannot read or write this process
(which is not dumpable) nor send it signals (Landlock, where the kernel has scoped signals). Nothing that an agent's
program does is ever read here but its exit status. If it can have left something behind that is not easily removed, the
answer says `tainted`, and the host starts another sandbox.

Limits: what was imported stays imported, whatever seed the hashes of this process have is that of all its children,
and threads that an import has started do not exist in them.
"""

from __future__ import annotations

import sys

_BARE = frozenset(sys.modules)

import ctypes
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import stat
import time
import traceback
from typing import Any, NamedTuple, NoReturn, Optional

import researchgym_warm_program as program
from researchgym_warm_clearing import Shared
from researchgym_warm_confinement import Landlock, arrange, confine, protect_server, standing
from researchgym_warm_messages import ENDS, FAILED, NONE_COMES, REFUSED, TAKEN, LastWord, receive, tell, told
from researchgym_warm_program import Ending, Guise, Program
from researchgym_warm_scout import NO_PAGES, scout, take

CONTROL_DESCRIPTOR = 3
HUNG_UP = getattr(select, "POLLRDHUP", 0x2000)
LAST_GIVEN = 512
# A program whose time is over may say where it was.
LAST_WORDS_MS = 20
# How long what has said that it ends may take for it.
ENDING_S = 1.0
# So many processes one after the other that end before they have a request: the next would too.
MOST_LOST = 3
FILE_INPUT = 257
# Parts of the standard library that show or open something when they are imported.
NEVER_EARLY = {"__main__", "antigravity", "idlelib", "test", "this", "tkinter", "turtle", "turtledemo"}
OFTEN_THERE = getattr(sys, "stdlib_module_names", frozenset())

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fopen.restype = ctypes.c_void_p


class Settings(NamedTuple):
    """What the host says at the start."""

    folder: str
    """The working folder of programs."""
    is_writable: bool
    is_trusted: bool
    """Programs are the task's own: when one says that it ends, it has ended."""
    preload: list[str]
    likely: list[str]
    """What programs are likely to import: what is of the standard library or our own is imported too."""
    environment: dict[str, str]
    """That of programs; this process's own has no path in it that a program can write to."""


class Request(NamedTuple):
    """One program to be run."""

    file: str
    arguments: list[str]
    flags: str
    """Letters of the flags before the file, of `BEIqsu`."""
    timeout_ms: int
    environment: dict[str, str] = {}
    """What the program's has beside that of all programs."""


class Spare(NamedTuple):
    """A process that was forked and is confined, and waits for what it is to run."""

    pid: int
    ends: int
    """Its descriptor, ready once it has ended."""
    tells: int
    """What it tells until its program begins; one of the task's own, until its end."""


class Ended(NamedTuple):
    """How a program and all it has started ended."""

    status: int
    """As `wait` gives it."""
    timed_out: bool
    left_behind: int
    """Processes that were killed when the program had ended."""
    cpu_ns: int
    peak_kib: int


class Server:
    """The process that forks."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.control = socket.socket(fileno=CONTROL_DESCRIPTOR)
        os.set_inheritable(CONTROL_DESCRIPTOR, False)
        self.own_path = sys.path[1:] if not getattr(sys.flags, "safe_path", False) else sys.path[:]
        self.own_pid = os.getpid()
        protect_server()
        os.chdir("/")
        writable = ["/tmp", "/var/tmp", "/dev"] + ([settings.folder] if settings.is_writable else [])
        self.landlock = Landlock.prepare([path for path in writable if os.path.isdir(path)])
        self.shared = Shared()
        self.unguarded = self._unguarded()
        self.standing = standing()
        self.last: Optional[tuple[bytes, Request]] = None
        self.ending: Optional[Ending] = None
        """In a forked process: how its program says that it ends."""
        self.pages = NO_PAGES
        """What programs are likely to write to."""
        program.close_outputs_at_exit()
        self.guise = Guise(settings.folder, settings.is_writable, self._search_path(), self.own_path, _BARE)

    def preload(self) -> Optional[str]:
        """Imports what was asked for; says why that is impossible."""
        folder = os.path.join(self.settings.folder, "")
        trusted = [path for path in self._search_path() if not os.path.join(path, "").startswith(folder)]
        sys.path[:] = (trusted if self.settings.is_writable else self._search_path()) + self.own_path
        for name in self.settings.preload:
            try:
                importlib.import_module(name)
            except BaseException as error:
                return f"`{name}`: {''.join(traceback.format_exception_only(type(error), error)).strip()}"
        for name in self.settings.likely:
            if name not in NEVER_EARLY and (name in OFTEN_THERE or name.startswith("researchgym_")):
                try:
                    importlib.import_module(name)
                except Exception:
                    # Another version of Python has another library; whoever imports it will be told.
                    pass
        self.guise.know_modules()
        _flush()
        gc.collect()
        gc.freeze()
        self.pages = scout()
        self._clear()
        return None

    def serve(self) -> Guise:
        """Answers requests. Returns in the forked processes alone: what each is to run."""
        lost = 0
        while True:
            spare = self._fork()
            if spare is None:
                return self.guise
            content = self._begun(spare)
            if content is None:
                os.waitpid(spare.pid, 0)
                lost += 1
                if lost >= MOST_LOST:
                    os._exit(70)
            else:
                lost = 0
                self._follow(spare, self._request(content))
            os.close(spare.tells)
            os.close(spare.ends)

    def _begun(self, spare: Spare) -> Optional[bytes]:
        """The request that a process has taken; nothing if it has ended before there was one."""
        poll = select.poll()
        poll.register(spare.tells, select.POLLIN)
        poll.register(self.control, HUNG_UP)
        ready = [descriptor for descriptor, _ in poll.poll()]
        if self.control.fileno() in ready:
            self._abandon(spare.pid)
        kind, content = told(spare.tells) or (None, b"")
        if kind == NONE_COMES:
            self._abandon(spare.pid)
        if kind == FAILED:
            # Nobody else takes the request that this is the answer to.
            if receive(self.control) is not None:
                self._send({"failed": content.decode("utf-8", "replace")})
            os._exit(70)
        return content if kind == TAKEN else None

    def _follow(self, spare: Spare, request: Request) -> None:
        """Waits for the end of a program, and tells the host of it."""
        ended, said, wrong = self._wait(spare, request.timeout_ms / 1000)
        if wrong is not None:
            self._send({"refused" if wrong[0] == REFUSED else "failed": wrong[1].decode("utf-8", "replace")})
        elif said is None:
            self._send({**ended._asdict(), "tainted": not self._clear()})
        else:
            self._send({"cleared": self._clear() and ended.status == said.status << 8})
        # The next one is most often the same again.
        self.guise.expect(self._program(request))

    def _request(self, content: bytes) -> Request:
        """The request of that content, which may be the last one again."""
        if self.last is None or self.last[0] != content:
            self.last = content, Request(**json.loads(content))
        return self.last[1]

    def _refusal(self, request: Request) -> Optional[str]:
        """Why a file cannot be run, if that may have changed."""
        path = os.path.join(self.settings.folder, request.file)
        if not self.settings.is_writable and self.guise.program is not None and self.guise.program.path == path:
            return None
        return _refusal(path)

    def _program(self, request: Request) -> Program:
        path = os.path.join(self.settings.folder, request.file)
        environment = {**self.settings.environment, **request.environment}
        return Program(path, request.file, request.arguments, request.flags, environment)

    def _fork(self) -> Optional[Spare]:
        """A process for the next request; nothing in that process itself, once the request is there."""
        tells, told_by = os.pipe()
        pid = os.fork()
        if pid != 0:
            os.close(told_by)
            return Spare(pid, os.pidfd_open(pid), tells)
        self._become_program(told_by)
        return None

    def _send(self, message: dict[str, Any]) -> None:
        self.control.sendall(json.dumps(message).encode("utf-8") + b"\n")

    def _become_program(self, pipe: int) -> None:
        """Everything between the fork and the program. Nobody else's code has run yet."""
        try:
            # The number will be another descriptor's.
            pipe = fcntl.fcntl(pipe, fcntl.F_DUPFD_CLOEXEC, LAST_GIVEN)
            confine(self.own_pid, self.landlock)
            take(self.pages)
            self.guise.rehearse()
            received = receive(self.control)
            if received is None:
                tell(pipe, NONE_COMES)
                os._exit(0)
            content, descriptors = received
            tell(pipe, TAKEN, content)
            request = self._request(content)
            refusal = self._refusal(request)
            if refusal is not None:
                tell(pipe, REFUSED, refusal.encode("utf-8"))
                os._exit(0)
            # Only now is the folder what the host has made of it for this program.
            os.chdir(self.settings.folder)
            # What this was closes it no more: the number may be a descriptor of the program's.
            self.control.detach()
            arrange(descriptors, pipe)
            self.guise.put_on(self._program(request))
        except BaseException as error:
            tell(pipe, FAILED, f"{type(error).__name__}: {error}".encode("utf-8", "replace")[:2000])
            os._exit(70)
        if self.settings.is_trusted:
            self.ending = Ending.over(pipe)
        else:
            os.close(pipe)
        # From here on files of the program may be executed.
        self.guise.add_user_site()

    def _search_path(self) -> list[str]:
        """What `PYTHONPATH` adds."""
        given = self.settings.environment.get("PYTHONPATH", "")
        paths = [os.path.join(self.settings.folder, path) for path in given.split(":")] if given else []
        return list(dict.fromkeys(os.path.normpath(path) for path in paths))

    def _wait(self, spare: Spare, seconds: float) -> tuple[Ended, Optional[LastWord], Optional[tuple[bytes, bytes]]]:
        """Waits for the end of the program or of its time, then ends everything. Answers when it says that it ends, if it
        is believed; that is what it said then. And what went wrong before it began."""
        deadline = time.monotonic() + seconds
        pid, ends = spare.pid, spare.ends
        poll = select.poll()
        poll.register(ends, select.POLLIN)
        poll.register(self.control, HUNG_UP)
        if self.settings.is_trusted:
            # Nobody waits for the rest of what a program has begun to say.
            os.set_blocking(spare.tells, False)
            poll.register(spare.tells, select.POLLIN)
        said: Optional[LastWord] = None
        word: Optional[tuple[bytes, bytes]] = None
        timed_out = False
        while True:
            left_ms = (deadline - time.monotonic()) * 1000
            ready = [descriptor for descriptor, _ in poll.poll(max(0, min(left_ms + 1, 1e9)))]
            if self.control.fileno() in ready:
                # The host has hung up: it waits for nothing any more.
                self._abandon(pid)
            if spare.tells in ready and ends not in ready:
                poll.unregister(spare.tells)
                word = told(spare.tells)
                said = LastWord.parse(word[1]) if word is not None and word[0] == ENDS else None
                if said is not None:
                    ends_so = Ended(said.status << 8, False, 0, said.cpu_ns, said.peak_kib)
                    self._send({**ends_so._asdict(), "tainted": None})
                    deadline = time.monotonic() + ENDING_S
                continue
            if ends in ready:
                break
            if time.monotonic() >= deadline:
                timed_out = True
                signal.pidfd_send_signal(ends, signal.SIGINT)
                poll.poll(LAST_WORDS_MS)
                break
        ended = self._end_all(pid, timed_out)
        word = word or told(spare.tells)
        return ended, said, word if word is not None and word[0] in (REFUSED, FAILED) else None

    def _abandon(self, pid: int) -> NoReturn:
        """Ends everything, this process too."""
        self._end_all(pid, False)
        os._exit(0)

    def _end_all(self, pid: int, timed_out: bool) -> Ended:
        """Kills what is left in the sandbox and waits until nothing is."""
        status, left, cpu, peak = 0, 0, 0.0, 0
        killing = False
        while True:
            if killing:
                try:
                    os.kill(-1, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass
            try:
                ended, how, usage = os.wait4(-1, 0 if killing else os.WNOHANG)
            except ChildProcessError:
                break
            if ended == 0:
                killing = True
                continue
            cpu += usage.ru_utime + usage.ru_stime
            peak = max(peak, usage.ru_maxrss)
            if ended == pid:
                status = how
            elif killing:
                left += 1
        return Ended(status, timed_out, left, int(cpu * 1e9), peak)

    def _clear(self) -> bool:
        """Removes what a program may have left outside of the working folder. False if something may still be there."""
        if not self.shared.clear():
            return False
        # Any process of the same user may change how this one is scheduled, and its children with it.
        return self.unguarded == self._unguarded() and self.standing == standing()

    def _unguarded(self) -> Optional[list[str]]:
        """What is in `/run` where the kernel has no Landlock to keep programs from writing there."""
        if self.landlock.rules is not None or not os.access("/run", os.W_OK):
            return None
        return sorted(os.path.join(path, name) for path, *names in os.walk("/run") for name in sum(names, []))


def _refusal(path: str) -> Optional[str]:
    """Why the file cannot be run here though a start of Python might run it: folders, archives, compiled files."""
    try:
        kind = os.stat(path).st_mode
        if stat.S_ISDIR(kind):
            return "it is a folder"
        if path.endswith(".pyc"):
            return "it is compiled"
        if stat.S_ISREG(kind):
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if os.read(file, 2) == b"PK":
                    return "it is an archive"
            finally:
                os.close(file)
    except (OSError, ValueError):
        # It says so itself, as a start of Python would.
        pass
    return None


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    _libc.fflush(None)


def _start() -> tuple[Guise, Optional[Ending]]:
    settings = Settings(**json.loads(sys.argv[1]))
    server = Server(settings)
    failure = server.preload()
    if failure is not None:
        server._send({"unloadable": failure})
        os._exit(1)
    server._send({"ready": server.landlock.version})
    guise = server.serve()
    return guise, server.ending


if __name__ == "__main__":
    _server_module = sys.modules["__main__"]
    _run = ctypes.pythonapi.PyRun_FileExFlags
    _run.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.py_object, ctypes.py_object, ctypes.c_int]
    _run.argtypes += [ctypes.c_void_p]
    _run.restype = ctypes.py_object
    _evaluate = ctypes.pythonapi.PyEval_EvalCode
    _evaluate.argtypes = [ctypes.py_object] * 3
    _evaluate.restype = ctypes.py_object
    _status, _interrupted = 0, False
    _guise, _ending = _start()
    _known = frozenset(sys.modules) - {"__main__"}
    _path, _code = _guise.program.path, _guise.compiled()
    _file = _libc.fopen(os.fsencode(_path), b"rb") if _code is None else None
    if _code is None and not _file:
        _status = program.unopenable(_path)
    else:
        sys.modules["__main__"] = _guise.main
        _globals = sys.modules["__main__"].__dict__
        try:
            # Not from a function: the program's first frame is to be as near to the bottom as it can.
            if _code is not None:
                _evaluate(_code, _globals, _globals)
            else:
                _run(_file, os.fsencode(_path), FILE_INPUT, _globals, _globals, 1, None)
        except BaseException as _error:
            _raised = _error
        else:
            _raised = None
        # No longer while it is handled: what a hook raises has nothing to do with it.
        if isinstance(_raised, SystemExit):
            _status = program.exit_status(_raised.code)
        elif _raised is not None:
            _status, _interrupted = program.report(_raised), isinstance(_raised, KeyboardInterrupt)
        del _globals, _raised
    program.finish(_status, _interrupted, _known, _ending)

"""A Python that has imported what evaluations need, and forks one process for each of them.

The host starts it as `python3 researchgym_warm.py SETTINGS` with a socket as descriptor 3 and sends one request at a
time: a Python file, its arguments, a time limit, and descriptors (standard output, standard error, then what the
program finds as 3, 4, ..). The forked process becomes, as far as a program can tell, a `python3 FILE ARGUMENTS` that
has just been started; it is forked before it is needed, as soon as nothing of its predecessor is left, and waits
for its request. When it has ended or its time is over, everything in the sandbox but this process and the first
is killed and waited for, and what was written outside of the working folder is removed.

Every page that a forked process is the first to write to, or to read from a file, is a fault of some microseconds, and
so is every page that this process writes to after a fork. What can be done once is therefore done here before the fork,
what is done for each program touches as little as it can, and what all programs touch is taken while a process waits.

What is forked runs hostile code. It holds none of this process's descriptors; it cannot read or write this process
(which is not dumpable) nor send it signals (Landlock, where the kernel has scoped signals). Nothing that it does is
ever read here but its exit status. If it can have left something behind that is not easily removed, the answer says
`tainted`, and the host starts another sandbox.

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
import struct
import time
import traceback
from typing import Any, NamedTuple, Optional

import researchgym_warm_program as program
from researchgym_warm_clearing import Shared
from researchgym_warm_confinement import Landlock, arrange, confine, protect_server, standing
from researchgym_warm_program import Guise, Program
from researchgym_warm_scout import Run, scout, take

CONTROL_DESCRIPTOR = 3
HEADER = struct.Struct(">I")
DESCRIPTOR = struct.Struct("i")
MOST_DESCRIPTORS = 64
CONTROL_BYTES = socket.CMSG_SPACE(MOST_DESCRIPTORS * DESCRIPTOR.size)
CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0x40000000)
FIRST_BYTES = 1 << 14
LAST_GIVEN = 512
# A program whose time is over may say where it was.
LAST_WORDS_MS = 20
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
    door: socket.socket
    """Takes a request as it came, with its descriptors."""
    began: int
    """Says what went wrong before its program began."""


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
        self.pages: list[Run] = []
        """What programs are likely to write to."""
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
        spare: Optional[Spare] = None
        while True:
            if spare is None:
                spare = self._fork()
                if spare is None:
                    return self.guise
            received = _receive(self.control)
            if received is None:
                os._exit(0)
            content, descriptors = received
            request = self._request(content)
            refusal = self._refusal(request)
            if refusal is None:
                try:
                    _pass_on(spare.door, content, descriptors)
                except OSError:
                    # It could not be confined, and says why.
                    pass
                spare.door.close()
            for descriptor in descriptors:
                os.close(descriptor)
            if refusal is not None:
                self._send({"refused": refusal})
                continue
            ended = self._wait(spare, request.timeout_ms / 1000)
            failure = _rest(spare.began)
            spare = None
            if failure:
                self._send({"failed": failure.decode("utf-8", "replace")})
            else:
                self._send({**ended._asdict(), "tainted": not self._clear()})
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
        began, told = os.pipe()
        door, inside = socket.socketpair()
        pid = os.fork()
        if pid != 0:
            os.close(told)
            inside.close()
            return Spare(pid, os.pidfd_open(pid), door, began)
        self._become_program(inside, told)
        # What this was closes it no more: the number may be a descriptor of the program's.
        door.detach()
        return None

    def _send(self, message: dict[str, Any]) -> None:
        self.control.sendall(json.dumps(message).encode("utf-8") + b"\n")

    def _become_program(self, door: socket.socket, told: int) -> None:
        """Everything between the fork and the program. Nobody else's code has run yet."""
        try:
            # Who hangs up is to be seen by the server, and the number will be another descriptor's.
            self.control.close()
            told = fcntl.fcntl(told, fcntl.F_DUPFD_CLOEXEC, LAST_GIVEN)
            confine(self.own_pid, self.landlock)
            take(self.pages)
            self.guise.rehearse()
            received = _receive(door)
            if received is None:
                os._exit(0)
            content, descriptors = received
            # Only now is the folder what the host has made of it for this program.
            os.chdir(self.settings.folder)
            door.detach()
            arrange(descriptors, told)
            self.guise.put_on(self._program(self._request(content)))
        except BaseException as error:
            os.write(told, f"{type(error).__name__}: {error}".encode("utf-8", "replace")[:2000])
            os._exit(70)
        os.close(told)
        # From here on files of the program may be executed.
        self.guise.add_user_site()

    def _search_path(self) -> list[str]:
        """What `PYTHONPATH` adds."""
        given = self.settings.environment.get("PYTHONPATH", "")
        paths = [os.path.join(self.settings.folder, path) for path in given.split(":")] if given else []
        return list(dict.fromkeys(os.path.normpath(path) for path in paths))

    def _wait(self, spare: Spare, seconds: float) -> Ended:
        """Waits for the end of the program or of its time, then ends everything."""
        deadline = time.monotonic() + seconds
        pid, ends = spare.pid, spare.ends
        poll = select.poll()
        poll.register(ends, select.POLLIN)
        poll.register(self.control, select.POLLIN)
        timed_out = False
        while True:
            left_ms = (deadline - time.monotonic()) * 1000
            ready = [descriptor for descriptor, _ in poll.poll(max(0, min(left_ms + 1, 1e9)))]
            if self.control.fileno() in ready:
                # The host has hung up: it waits for nothing any more.
                self._end_all(pid, False)
                os._exit(0)
            if ends in ready:
                break
            if time.monotonic() >= deadline:
                timed_out = True
                signal.pidfd_send_signal(ends, signal.SIGINT)
                poll.poll(LAST_WORDS_MS)
                break
        os.close(ends)
        return self._end_all(pid, timed_out)

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


def _receive(stream: socket.socket) -> Optional[tuple[bytes, list[int]]]:
    """The content of the next request, and its descriptors; nothing if there will be none."""
    # Nobody sends another one before the answer. Descriptors come with the first byte.
    content, control, flags, _ = stream.recvmsg(FIRST_BYTES, CONTROL_BYTES, CLOSE_ON_EXEC)
    descriptors: list[int] = []
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors += struct.unpack(f"{len(data) // DESCRIPTOR.size}i", data[: len(data) & -DESCRIPTOR.size])
    if not content or flags & socket.MSG_CTRUNC:
        return None
    length = HEADER.size
    while len(content) < length or len(content) < length + HEADER.unpack_from(content)[0]:
        part = stream.recv(1 << 16)
        if not part:
            return None
        content += part
    return content[length:], descriptors


def _pass_on(stream: socket.socket, content: bytes, descriptors: list[int]) -> None:
    message = HEADER.pack(len(content)) + content
    rights = struct.pack(f"{len(descriptors)}i", *descriptors)
    sent = stream.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    if sent < len(message):
        stream.sendall(message[sent:])


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


def _rest(pipe: int) -> bytes:
    """What is in a pipe that nobody writes to any more."""
    content = b""
    while part := os.read(pipe, 1 << 16):
        content += part
    os.close(pipe)
    return content


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    _libc.fflush(None)


def _start() -> Guise:
    settings = Settings(**json.loads(sys.argv[1]))
    server = Server(settings)
    failure = server.preload()
    if failure is not None:
        server._send({"unloadable": failure})
        os._exit(1)
    server._send({"ready": server.landlock.version})
    return server.serve()


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
    _guise = _start()
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
    program.finish(_status, _interrupted, _known)

"""What programs of one sandbox share besides the working folder, and how it is as if nobody had been there.

Folders are emptied if that is done with ease, and looked at only if somebody may have changed them. Segments, sets and
queues of System V are only counted.

Limits: who calls this has waited for the end of every program.
"""

from __future__ import annotations

import itertools
import os
import time
from typing import Optional

# Emptied after each program.
SHARED_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
SYSTEM_V_TABLES = ("/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg")
MOST_REMOVED = 10_000
LONG_AGO_NS = 1_000_000_000


class Shared:
    """All of it."""

    def __init__(self) -> None:
        self.folders = [SharedFolder(path) for path in SHARED_FOLDERS if os.path.isdir(path)]
        self.tables = [table for table in map(_opened, SYSTEM_V_TABLES) if table is not None]

    def clear(self) -> bool:
        """Empties the folders. False if something may still be there."""
        # A table has a line of headings, and one for each that there is.
        are_empty = [folder.clear() for folder in self.folders]
        return all(are_empty) and all(os.pread(table, 512, 0).count(b"\n") <= 1 for table in self.tables)


class SharedFolder:
    """A folder that every program may write to."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.condition = self._condition()
        self.untouched: Optional[int] = None
        """When it was last changed, if it was empty then and long before anybody could have changed it again."""

    def clear(self) -> bool:
        """Empties it. False if that is not done with ease."""
        if os.stat(self.path).st_ctime_ns == self.untouched:
            return True
        if not _empty(self.path) or self._condition() != self.condition:
            return False
        changed = os.stat(self.path).st_ctime_ns
        # Nobody can set this time, but two changes within a tick of the clock have the same one.
        self.untouched = changed if time.time_ns() - changed > LONG_AGO_NS else None
        return True

    def _condition(self) -> tuple[int, int, list[str]]:
        """What an owner can change of it."""
        status = os.stat(self.path)
        try:
            attributes = os.listxattr(self.path)
        except OSError:
            attributes = []
        return status.st_mode, status.st_uid, attributes


def _opened(path: str) -> Optional[int]:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def _empty(root: str) -> bool:
    """Removes everything in the folder. False if that is not done with ease."""
    removed = 0
    pending = [root]
    try:
        while pending:
            folder = pending[-1]
            inner = []
            with os.scandir(folder) as entries:
                for entry in list(itertools.islice(entries, MOST_REMOVED + 1)):
                    removed += 1
                    if removed > MOST_REMOVED:
                        return False
                    if entry.is_dir(follow_symlinks=False):
                        os.chmod(entry.path, 0o700)
                        inner.append(entry.path)
                    else:
                        os.unlink(entry.path)
            if inner:
                pending += inner
            else:
                pending.pop()
                if folder != root:
                    os.rmdir(folder)
    except OSError:
        return False
    return True

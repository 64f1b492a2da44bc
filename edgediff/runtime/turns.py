"""Who may run when: runs of one task side by side, a switch alone, and nobody waits for ever."""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LARGEST_BATCH = 16
"""Runs that may still join the active task's while runs of another task wait."""


@dataclass
class _Waiting:
    key: Hashable
    granted: bool = False
    error: BaseException | None = None


class Turns:
    """Grants runs by the task that they need.

    A run of the active task begins at once, unless others have been waiting while `LARGEST_BATCH` such runs
    joined. When the last one ends, the task that was asked for first comes next, with every run that waits
    for it. So alternating callers share switches, and whoever waits is served after at most one batch of each
    task that was asked for before.
    """

    def __init__(self, switch: Callable[[Hashable], None]) -> None:
        """`switch` makes a key the active one; it is called when no run is under way."""
        self._switch = switch
        self._condition = threading.Condition()
        self._active: Hashable = None
        self._running, self._joined = 0, 0
        self._waiting: list[_Waiting] = []

    @contextmanager
    def of(self, key: Hashable) -> Iterator[None]:
        """Hold `key` active for the block; errors of the switch come to those who asked for it."""
        self._enter(key)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, key: Hashable) -> None:
        with self._condition:
            if self._running and key == self._active and (not self._waiting or self._joined < LARGEST_BATCH):
                self._running += 1
                self._joined += bool(self._waiting)
                return
            own = _Waiting(key)
            self._waiting.append(own)
            if not self._running:
                self._grant()
            while not own.granted:
                self._condition.wait()
            if own.error is not None:
                raise own.error

    def _leave(self) -> None:
        with self._condition:
            self._running -= 1
            if not self._running:
                self._grant()

    def _grant(self) -> None:
        """Let in the first in line and all of its task; if the switch fails they get the error."""
        while self._waiting and not self._running:
            key = self._waiting[0].key
            chosen = [each for each in self._waiting if each.key == key]
            self._waiting = [each for each in self._waiting if each.key != key]
            error: BaseException | None = None
            if key != self._active:
                try:
                    self._switch(key)
                    self._active = key
                except BaseException as raised:
                    error = raised
            for each in chosen:
                each.granted, each.error = True, error
            if error is None:
                self._running, self._joined = len(chosen), 0
        self._condition.notify_all()

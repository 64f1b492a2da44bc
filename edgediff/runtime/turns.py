"""Who may run when: runs of one task side by side, a switch alone, and nobody waits for ever."""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edgediff.errors import SettingError

LARGEST_BATCH = 16
"""Runs that may still join the active task's while runs of another task wait."""

_UNSURE = object()
"""The active key after a switch that failed: whatever comes next is switched to anew."""


@dataclass(eq=False)
class _Waiting:
    key: Hashable
    pins: bool
    granted: bool = False
    error: Exception | None = None


class Turns:
    """Grants runs by the task that they need.

    A run of the active task begins at once, unless others have been waiting while `LARGEST_BATCH` such runs
    joined. When the last one ends, the task that was asked for first comes next, with every run that waits
    for it. So alternating callers share switches, and whoever waits is served after at most one batch of each
    task that was asked for before. A pin lifts the bound while it is held: its task's runs always join.
    """

    def __init__(self, switch: Callable[[Hashable], None]) -> None:
        """`switch` makes a key the active one; it is called when no run is under way, by one who waits."""
        self._switch = switch
        self._condition = threading.Condition()
        self._active: Hashable = None
        self._running, self._pinned, self._joined = 0, 0, 0
        self._waiting: list[_Waiting] = []
        self._own = threading.local()

    @contextmanager
    def of(self, key: Hashable, pins: bool = False) -> Iterator[None]:
        """Hold `key` active for the block; errors of the switch come to those who asked for it.

        Raises:
            SettingError: this thread holds another key already, for which it would wait for ever.
        """
        held: tuple[Hashable, ...] = getattr(self._own, "held", ())
        if held and held[-1] != key:
            raise SettingError("this thread keeps another task active: leave that block first")
        self._enter(_Waiting(key, pins), again=bool(held))
        try:
            self._own.held = (*held, key)
            yield
        finally:
            self._own.held = held
            self._leave(pins)

    def _enter(self, own: _Waiting, again: bool) -> None:
        with self._condition:
            joins = again or self._may_join(own.key)
            try:
                self._waiting.append(own)
                if joins:
                    self._joined += len(self._waiting) > 1
                    self._let_in([own])
                while not own.granted:
                    if not self._running and self._waiting[0] is own:
                        self._take_turn(own.key)
                    else:
                        self._condition.wait()
            except BaseException:  # an interrupt, in the wait or in the switch: the others go on
                self._withdraw(own)
                raise
            if own.error is not None:
                raise own.error

    def _leave(self, pins: bool) -> None:
        with self._condition:
            self._running -= 1
            self._pinned -= pins
            if not self._running:
                self._condition.notify_all()

    def _may_join(self, key: Hashable) -> bool:
        if not self._running or key != self._active:
            return False
        return not self._waiting or self._joined < LARGEST_BATCH or self._pinned > 0

    def _take_turn(self, key: Hashable) -> None:
        """Switch to `key` and let in all who wait for it; if the switch fails they get the error."""
        error: Exception | None = None
        if key != self._active:
            self._active = _UNSURE
            try:
                self._switch(key)
                self._active = key
            except Exception as raised:
                error = raised
        self._joined = 0
        self._let_in([each for each in self._waiting if each.key == key], error)

    def _let_in(self, chosen: list[_Waiting], error: Exception | None = None) -> None:
        for each in chosen:
            each.granted, each.error = True, error
            if error is None:
                self._running += 1
                self._pinned += each.pins
        self._waiting = [each for each in self._waiting if not each.granted]
        self._condition.notify_all()

    def _withdraw(self, own: _Waiting) -> None:
        if own in self._waiting:
            self._waiting.remove(own)
            self._condition.notify_all()
        elif own.granted and own.error is None:
            self._leave(own.pins)

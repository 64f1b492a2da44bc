"""Two ways to have a diff in a session: patched in place, or in a session of its own."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgediff.diff import Diff
from edgediff.runtime.session import load_session

if TYPE_CHECKING:  # it needs a system with fcntl, which session mode does not
    from edgediff.runtime.live import LiveSession

MAX_SESSIONS = 4
"""Sessions that session mode keeps open."""


class Mode(ABC):
    """Has one diff active at a time.

    Attributes:
        name: "live" or "session".
        session: the session to run, with the active diff in its weights.
    """

    name: str
    session: onnxruntime.InferenceSession

    @abstractmethod
    def prepare(self, key: str, diff: Diff) -> None:
        """Get ready to activate `diff` under `key`; no run may be under way."""

    @abstractmethod
    def activate(self, key: str | None) -> None:
        """Put the diff of `key` into `session`, or nothing but the base; no run may be under way."""

    @abstractmethod
    def forget(self, key: str) -> None:
        """Let go of what was prepared for `key`, which is not active."""


@dataclass(frozen=True, eq=False)
class _Placed:
    """A diff in the session: the float32s it changes, what they hold without it, and with it."""

    where: NDArray[np.int64]
    base: NDArray[np.float32]
    patched: NDArray[np.float32]


class LiveMode(Mode):
    """One session for all diffs; a switch writes the base's values back and the next diff's in."""

    name = "live"

    def __init__(self, live: "LiveSession") -> None:
        self._live = live
        self.session = live.session
        self._placed: dict[str, _Placed] = {}
        self._active: str | None = None

    def prepare(self, key: str, diff: Diff) -> None:
        """Find the diff's places, and what they hold without it and with it; no run may be under way.

        What they hold without it is read from the session itself, with nothing active: the bundle's own file
        would come into memory page by page.
        """
        self.activate(None)
        places = [np.empty(0, np.int64), *(self._live.places.find(t.name, t.indices) for t in diff.tensors)]
        values = [np.empty(0, np.float32), *(tensor.values for tensor in diff.tensors)]
        located = self._live.locate(np.concatenate(places))
        base = self._live.held(located.where)
        patched = base + np.concatenate(values)[located.which]
        self._placed[key] = _Placed(located.where, base, patched)

    def activate(self, key: str | None) -> None:
        """Write the values of the active diff's places back, bit for bit, then those of `key`.

        After an interrupt the next call puts all in order.
        """
        following = None if key is None else self._placed[key]
        if self._active is not None:
            active = self._placed[self._active]
            self._live.write(active.where, active.base)
        self._active = key
        if following is not None:
            self._live.write(following.where, following.patched)

    def forget(self, key: str) -> None:
        """Let go of the places."""
        self._placed.pop(key, None)


class SessionMode(Mode):
    """A session for each diff, by documented ways alone; the least used are closed."""

    name = "session"

    def __init__(self, bundle: Path, threads: int) -> None:
        self._bundle, self._threads = bundle, threads
        self._diffs: dict[str, Diff] = {}
        self._sessions: OrderedDict[str, onnxruntime.InferenceSession] = OrderedDict()

    def prepare(self, key: str, diff: Diff) -> None:
        """Keep the diff; its session is opened when it is activated."""
        self._diffs[key] = diff

    def activate(self, key: str | None) -> None:
        """Open the session of `key`, if it is not open; without a key there is nothing to do."""
        if key is None:
            return
        if key not in self._sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self._threads
            self._sessions[key], _ = load_session(self._bundle, self._diffs[key], session_options=options)
        self._sessions.move_to_end(key)
        self.session = self._sessions[key]
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)

    def forget(self, key: str) -> None:
        """Close the session."""
        self._diffs.pop(key, None)
        self._sessions.pop(key, None)

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
        """Get ready to activate `diff` under `key`."""

    @abstractmethod
    def activate(self, key: str | None) -> None:
        """Put the diff of `key` into `session`, or nothing but the base; no run may be under way."""

    @abstractmethod
    def forget(self, key: str) -> None:
        """Let go of what was prepared for `key`, which is not active."""


@dataclass(frozen=True, eq=False)
class _Placed:
    """A diff in the session, kept for as long as its task: at few bits a value, in 4 bytes an entry.

    Attributes:
        where: `(entries,)`, the float32s that it changes, those of one value together.
        values: `(values,)`, what it adds.
        counts: `(values,)`, to how many float32s.
    """

    where: NDArray[np.uint32]
    values: NDArray[np.float32]
    counts: NDArray[np.uint32]

    @classmethod
    def of(cls, where: NDArray[np.uint32], values: NDArray[np.float32]) -> "_Placed":
        """Group the entries by value; those of one value stay in the order of memory."""
        bits = values.view(np.uint32).astype(np.uint64)
        ordered = np.sort(bits << np.uint64(32) | where)
        bits = ordered >> np.uint64(32)
        first = np.flatnonzero(np.append(True, bits[1:] != bits[:-1])[: len(bits)])
        counts = np.diff(first, append=len(bits)).astype(np.uint32)
        return cls(ordered.astype(np.uint32), bits[first].astype(np.uint32).view(np.float32), counts)

    def added_to(self, base: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the float32s hold with it, given what they hold without."""
        return base + np.repeat(self.values, self.counts)


_NOTHING = (np.empty(0, np.uint32), np.empty(0, np.float32))
"""What is replaced by nothing: where, and what was there."""


class LiveMode(Mode):
    """One session for all diffs; a switch writes the base's values back and the next diff's in."""

    name = "live"

    def __init__(self, live: "LiveSession") -> None:
        self._live = live
        self.session = live.session
        self._placed: dict[str, _Placed] = {}
        self._replaced = _NOTHING

    def prepare(self, key: str, diff: Diff) -> None:
        """Find the diff's places; runs may be under way."""
        places = [np.empty(0, np.int64), *(self._live.places.find(t.name, t.indices) for t in diff.tensors)]
        values = [np.empty(0, np.float32), *(tensor.values for tensor in diff.tensors)]
        located = self._live.locate(np.concatenate(places))
        self._placed[key] = _Placed.of(located.where, np.concatenate(values)[located.which])
        del places, values, located
        self._live.give_back()

    def activate(self, key: str | None) -> None:
        """Write back what the active diff replaced, bit for bit, then put that of `key` in.

        After an interrupt the next call puts all in order.
        """
        following = None if key is None else self._placed[key]
        self._live.write(*self._replaced)
        self._replaced = _NOTHING
        if following is not None:
            base = self._live.held(following.where)
            self._replaced = (following.where, base)
            self._live.write(following.where, following.added_to(base))

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

"""Two ways to have a diff in a session: patched in place, or in a session of its own."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Mapping
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


class LiveMode(Mode):
    """One session for all diffs; a switch writes the base's values back and the next diff's in."""

    name = "live"

    def __init__(self, live: "LiveSession", base: Mapping[str, NDArray[np.float32]]) -> None:
        """`base` holds the base's own values, which the image was built from."""
        self._live, self._base = live, base
        self.session = live.session
        self._placed: dict[str, tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]] = {}
        self._active: str | None = None

    def prepare(self, key: str, diff: Diff) -> None:
        """Find the diff's places, and what they hold without it and with it."""
        places, base, values = [np.empty(0, np.int64)], [np.empty(0, np.float32)], [np.empty(0, np.float32)]
        for tensor in diff.tensors:
            own = self._base[tensor.name]
            places.append(self._live.places.find(tensor.name, tensor.indices))
            base.append(own[np.unravel_index(tensor.indices, own.shape)])
            values.append(tensor.values)
        before = np.concatenate(base)
        self._placed[key] = np.concatenate(places), before, before + np.concatenate(values)

    def activate(self, key: str | None) -> None:
        """Write the values of the active diff's places back, bit for bit, then those of `key`."""
        if self._active is not None:
            where, base, _ = self._placed[self._active]
            self._live.write(where, base)
        self._active = key
        if key is not None:
            where, _, patched = self._placed[key]
            self._live.write(where, patched)

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

"""Two ways to have a diff in a session: patched in place, or in a session of its own."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgediff.diff import Diff, Product
from edgediff.runtime.blocks import Block, find_blocks
from edgediff.runtime.session import load_session

if TYPE_CHECKING:  # it needs a system with fcntl, which session mode does not
    from edgediff.runtime.live import LiveSession

MAX_SESSIONS = 4
"""Sessions that session mode keeps open."""


class Mode(ABC):
    """Has one diff active at a time.

    Attributes:
        name: "live" or "session".
    """

    name: str

    @property
    @abstractmethod
    def session(self) -> onnxruntime.InferenceSession:
        """The session to run, with the active diff in its weights."""

    @abstractmethod
    def prepare(self, key: str, diff: Diff) -> None:
        """Get ready to activate `diff` under `key`; no run may be under way."""

    def give_back(self) -> None:  # noqa: B027
        """Give the system back the memory that `prepare` took for a while; call it when the diff is gone."""

    @abstractmethod
    def activate(self, key: str | None) -> None:
        """Put the diff of `key` into `session`, or nothing but the base; no run may be under way."""

    @abstractmethod
    def forget(self, key: str) -> None:
        """Let go of what was prepared for `key`, which is not active."""


@dataclass(frozen=True, eq=False)
class _PlacedBlock:
    """A block of a product's parameter in the session: place `start` of the image, and on.

    Attributes:
        pieces: its live weights, each with where in the block it begins (`LiveSession.stretch`).
    """

    start: int
    block: Block
    product: Product
    pieces: list[tuple[int, NDArray[np.float32]]]


@dataclass(frozen=True, eq=False)
class _Placed:
    """A diff in the session, kept for as long as its task: at few bits a value, in 8 bytes an entry.

    Attributes:
        where: `(entries,)`, the float32s that it changes, those of one value together.
        base: `(entries,)`, what they hold without it.
        values: `(values,)`, what it adds.
        counts: `(values,)`, to how many float32s.
        blocks: of the parameters that change as a whole, before entries are added.
    """

    where: NDArray[np.uint32]
    base: NDArray[np.float32]
    values: NDArray[np.float32]
    counts: NDArray[np.uint32]
    blocks: list[_PlacedBlock]

    def added(self) -> NDArray[np.float32]:
        """What it adds, one for each of `where`."""
        return np.repeat(self.values, self.counts)


class LiveMode(Mode):
    """One session for all diffs; a switch writes the base's values back and the next diff's in.

    The base's values at single entries are kept in memory; those of parameters that change as a whole are
    read from the image's file, which never changes.
    """

    name = "live"

    def __init__(self, live: "LiveSession") -> None:
        self._live = live
        self._placed: dict[str, _Placed] = {}
        self._active: _Placed | None = None
        self._blocks: dict[tuple[tuple[int, ...], int | None], list[Block]] = {}
        # Room for the indices of one diff, and for a block of a product: new memory would cost more.
        self._indices = np.empty(0, np.int64)
        self._room = np.empty(0, np.float32)

    @property
    def session(self) -> onnxruntime.InferenceSession:
        """The one session."""
        return self._live.session

    def prepare(self, key: str, diff: Diff) -> None:
        """Find the diff's places and what they hold without it; no run may be under way.

        What they hold without it is read from the session itself, with nothing active: the bundle's own file
        would come into memory page by page.
        """
        self.activate(None)
        places = [np.empty(0, np.int64), *(self._live.places.find(t.name, t.indices) for t in diff.tensors)]
        values = [np.empty(0, np.float32), *(tensor.values for tensor in diff.tensors)]
        located = self._live.locate(np.concatenate(places))
        where, distinct, counts = _by_value(located.where, np.concatenate(values)[located.which])
        blocks = [block for product in diff.products for block in self._place(product)]
        self._placed[key] = _Placed(where, self._live.held(where), distinct, counts, blocks)
        if len(where) > len(self._indices):
            self._indices = np.empty(len(where), np.int64)
        largest = max((each.block.size for each in blocks), default=0)
        if largest > len(self._room):
            self._room = np.empty(largest, np.float32)

    def give_back(self) -> None:
        """Give the system back what finding the places took."""
        self._live.give_back()

    def activate(self, key: str | None) -> None:
        """Write the values of the active diff's places back, bit for bit, then those of `key`.

        After an interrupt the next call puts all in order.
        """
        following = None if key is None else self._placed[key]
        overwritten = {each.start for each in following.blocks} if following is not None else set()
        if self._active is not None:
            self._write(self._active.where, self._active.base)
            for each in self._active.blocks:
                if each.start not in overwritten:
                    self._restore(each)
        self._active = following
        if following is not None:
            for each in following.blocks:
                self._add(each)
            before = self._live.held(following.where) if following.blocks else following.base
            self._write(following.where, before + following.added())

    def _write(self, where: NDArray[np.uint32], values: NDArray[np.float32]) -> None:
        indices = self._indices[: len(where)]
        np.copyto(indices, where)
        self._live.write(indices, values)

    def _place(self, product: Product) -> list[_PlacedBlock]:
        place = self._live.places.by_name[product.name]
        like = (product.shape, place.order)
        if like not in self._blocks:
            order = None if place.order is None else self._live.places.orders[place.order]
            self._blocks[like] = find_blocks(product.shape, order)
        placed = []
        for block in self._blocks[like]:
            start = place.start + block.start
            placed.append(_PlacedBlock(start, block, product, self._live.stretch(start, block.size)))
        return placed

    def _restore(self, placed: _PlacedBlock) -> None:
        """Write the base's values."""
        for first, piece in placed.pieces:
            self._live.read_base(placed.start + first, piece)

    def _add(self, placed: _PlacedBlock) -> None:
        """Write the base's values and what the product adds to them."""
        self._restore(placed)
        added = placed.block.spread(placed.product, self._room)
        for first, piece in placed.pieces:
            piece += added[first : first + len(piece)]

    def forget(self, key: str) -> None:
        """Let go of the places."""
        self._placed.pop(key, None)


def _by_value(
    where: NDArray[np.uint32], values: NDArray[np.float32]
) -> tuple[NDArray[np.uint32], NDArray[np.float32], NDArray[np.uint32]]:
    """Places grouped by value, in the order of memory within a group; the values; how many have each."""
    bits = values.view(np.uint32).astype(np.uint64)
    ordered = np.sort(bits << np.uint64(32) | where)
    bits = ordered >> np.uint64(32)
    first = np.flatnonzero(np.append(True, bits[1:] != bits[:-1])[: len(bits)])
    counts = np.diff(first, append=len(bits)).astype(np.uint32)
    return ordered.astype(np.uint32), bits[first].astype(np.uint32).view(np.float32), counts


class SessionMode(Mode):
    """A session for each diff, by documented ways alone; the least used are closed."""

    name = "session"

    def __init__(self, bundle: Path, threads: int) -> None:
        self._bundle, self._threads = bundle, threads
        self._diffs: dict[str, Diff] = {}
        self._sessions: OrderedDict[str, onnxruntime.InferenceSession] = OrderedDict()  # the active one last

    @property
    def session(self) -> onnxruntime.InferenceSession:
        """The session of the diff that was activated last."""
        return next(reversed(self._sessions.values()))

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
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)

    def forget(self, key: str) -> None:
        """Close the session."""
        self._diffs.pop(key, None)
        self._sessions.pop(key, None)

"""A live session: its weights are changed in place, in the memory that onnxruntime maps the image into.

onnxruntime maps each initializer of the image privately: pages that are written become the process's own,
the others stay those of the cached file, shared with whoever maps it. So there is no copy to make, and
nothing that a killed process could leave. That a run sees what was written there is observed, not documented:
where the mappings look otherwise there is no live session, and `prove` puts every one to the trial.
"""

import ctypes
import gc
import os
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgediff.errors import BundleError
from edgediff.format.bundle import MODEL_FILE
from edgediff.runtime.asking import asking
from edgediff.runtime.image import IMAGE_FILE
from edgediff.runtime.places import Places

MAPPINGS = Path("/proc/self/maps")
_WRITABLE_AND_PRIVATE = "rw-p"
_WIDEST = 4 << 32
"""Bytes of addresses in which 32 bits can number the float32s."""
_opening = threading.Lock()
_ATTEMPTS = 20


@dataclass(frozen=True)
class Mapping:
    """A stretch of a file in memory: byte `offset` of the file is at `address`."""

    address: int
    length: int
    offset: int


_opened: weakref.WeakKeyDictionary[onnxruntime.InferenceSession, list[Mapping]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Located:
    """Where weights are in memory.

    Attributes:
        where: float32s, counted from the session's first mapping.
        which: the number of the place that each belongs to. A place may be mapped more than once, since what
            is mapped is whole pages; then every copy is meant.
    """

    where: NDArray[np.uint32]
    which: NDArray[np.int64]


class LiveSession:
    """An onnxruntime session with weights that can be written while it is open.

    Attributes:
        session: the stock session; its runs see every `write` that came before them.
        places: where the parameters lie in the image.
    """

    def __init__(self, folder: Path, places: Places, threads: int = 0) -> None:
        """Open the image in `folder`.

        Raises:
            BundleError: onnxruntime cannot open it, or does not map it as expected.
        """
        self.places = places
        image = folder.resolve() / IMAGE_FILE
        with _opening:
            others = _others(image)
            self.session = _open(folder / MODEL_FILE, threads)
            self._mapped = _without(mappings(image), [each for mapped in others.values() for each in mapped])
            _opened[self.session] = self._mapped
        if not self._mapped:
            raise BundleError(f"onnxruntime does not map {image}")
        self._first = min(each.address for each in self._mapped)
        end = max(each.address + each.length for each in self._mapped)
        if end - self._first > _WIDEST:
            raise BundleError(f"onnxruntime maps {image} over {end - self._first} bytes of addresses")
        # One array over all mappings; what lies between them is never touched.
        memory = (ctypes.c_char * (end - self._first)).from_address(self._first)
        self._floats: NDArray[np.float32] = np.ctypeslib.as_array(memory).view(np.float32)
        self._image = image.open("rb", buffering=0)  # another one may come to have its name
        weakref.finalize(self, self._image.close)
        self.give_back()

    def locate(self, places: NDArray[np.int64]) -> Located:
        """Find the float32s of the image that are numbered `places`.

        Raises:
            BundleError: not all of them are mapped.
        """
        order = np.argsort(places, kind="stable")
        ordered = places[order]
        where, which = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for each in self._mapped:
            start, end = each.offset // 4, (each.offset + each.length) // 4
            first, last = np.searchsorted(ordered, (start, end))
            where.append(ordered[first:last] + ((each.address - self._first) // 4 - start))
            which.append(order[first:last])
        located = Located(np.concatenate(where).astype(np.uint32), np.concatenate(which))
        if not np.bincount(located.which, minlength=len(places)).all():
            raise BundleError("onnxruntime maps only a part of its image")
        return located

    def held(self, where: NDArray[np.uint32]) -> NDArray[np.float32]:
        """The weights, one for each of `Located.where`."""
        return self._floats[where]

    def write(self, where: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Set the weights; `values` has one for each of `Located.where`. No run may be under way."""
        self._floats[where] = values  # by far the quickest with int64

    def stretch(self, start: int, size: int) -> list[tuple[int, NDArray[np.float32]]]:
        """The live weights from place `start` of the image on, in pieces as they are mapped.

        Each piece comes with where it begins in the stretch. Pieces may overlap, as places may be mapped more
        than once; a change of one is then made in all.

        Raises:
            BundleError: not all of the stretch is mapped.
        """
        pieces = []
        for each in self._mapped:
            offset = each.offset // 4
            first, last = max(start, offset), min(start + size, offset + each.length // 4)
            if first < last:
                where = (each.address - self._first) // 4 + first - offset
                pieces.append((first - start, self._floats[where : where + last - first]))
        reached = 0
        for first, piece in sorted(pieces, key=lambda pair: pair[0]):
            reached = max(reached, first + len(piece)) if first <= reached else reached
        if reached < size:
            raise BundleError("onnxruntime maps only a part of its image")
        return pieces

    def read_base(self, start: int, into: NDArray[np.float32]) -> None:
        """Read the base's own weights from place `start` of the image on, as its file has them.

        Raises:
            BundleError: the file cannot be read.
        """
        try:
            if os.preadv(self._image.fileno(), [into.data], 4 * start) == into.nbytes:
                return
        except OSError as error:
            raise BundleError(f"cannot read {self._image.name}: {error.strerror or error}") from error
        raise BundleError(f"{self._image.name} ends too early")

    def give_back(self) -> None:
        """Give the system back what was needed for a while, where the C library can."""
        self.places.give_back()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def mappings(path: Path) -> list[Mapping]:
    """Where the file `path`, an absolute path without links, is mapped in this process.

    Raises:
        BundleError: this system does not tell, or the file is mapped other than writable and private.
    """
    try:
        # By line feeds alone, the only line ends that the kernel escapes in names.
        lines = os.fsdecode(MAPPINGS.read_bytes()).rstrip("\n").split("\n")
    except OSError as error:
        raise BundleError(f"this system has no {MAPPINGS}: {error.strerror or error}") from error
    found = []
    for line in lines:
        addresses, access, offset, _, _, *name = line.split(maxsplit=5)
        if name != [str(path)]:
            continue
        if access != _WRITABLE_AND_PRIVATE:
            raise BundleError(f"{path} is mapped as {access}, expected {_WRITABLE_AND_PRIVATE}")
        address, end = (int(number, 16) for number in addresses.split("-"))
        found.append(Mapping(address, end - address, int(offset, 16)))
    return found


def _others(image: Path) -> dict[onnxruntime.InferenceSession, list[Mapping]]:
    """The open live sessions with what they map; while they are held, none can go and leave its addresses.

    Raises:
        BundleError: someone else maps the image, whose mappings would be taken for the next session's.
    """
    for attempt in range(_ATTEMPTS):
        others = dict(_opened.items())
        if not _without(mappings(image), [each for mapped in others.values() for each in mapped]):
            return others
        if attempt == 1:
            gc.collect()  # one that is on its way out
        time.sleep(0.001 * attempt)
    raise BundleError(f"something else in this process maps {image}")


def _forget_lock() -> None:
    """A child that was forked while another thread opened a session has no such thread."""
    global _opening
    _opening = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)


def _without(mapped: list[Mapping], before: list[Mapping]) -> list[Mapping]:
    """What of `mapped` was not there before; the system shows neighbours as one."""
    as_shown = {*mapped} & {*before}  # most are, and need no arithmetic
    mapped = [each for each in mapped if each not in as_shown]
    for old in {*before} - as_shown:
        end = old.address + old.length
        rest = []
        for each in mapped:
            each_end = each.address + each.length
            pieces = ((each.address, min(each_end, old.address)), (max(each.address, end), each_end))
            rest += [
                Mapping(start, stop - start, each.offset + start - each.address)
                for start, stop in pieces
                if start < stop
            ]
        mapped = rest
    return mapped


def _open(model: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    with asking("open its own image"):
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

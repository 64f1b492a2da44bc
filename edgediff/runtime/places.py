"""Where each parameter's elements lie in an image: found by markers, with nothing known about any kernel.

Two more images are built from weights that hold their own position (as two numbers that float32 holds
exactly); what is read back at a place of the image tells which element of which parameter lies there, through
renaming, transposing, fusing and packing. Every place is then checked by value against the real base.
"""

import math
import mmap
import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.format.bundle import Manifest
from edgediff.runtime.image import Image, UnsureError, base_values, build_image
from edgediff.runtime.initializers import FLOAT, Initializer

_MODULUS = 1 << 24
"""Positions are held as remainders by it and by one less, which float32 holds exactly.

Quotients would not do: small parameters would be equal in them, and equal packed bytes are stored once.
"""


@dataclass(frozen=True, eq=False)
class Place:
    """Where one parameter lies.

    Attributes:
        start: the float32 of the image that its region begins with.
        order: the number in `Places.orders` of how elements lie in the region; None is their own order.
    """

    start: int
    order: int | None


@dataclass(frozen=True, eq=False)
class Places:
    """Where all parameters lie in an image.

    Attributes:
        by_name: one place each.
        orders: `(numel,)` int32 each: the place in the region of each element, row-major in PyTorch's
            orientation. Parameters of one shape that are packed alike share theirs.
        mapped: the file that they are views of, if they are.
    """

    by_name: dict[str, Place]
    orders: tuple[NDArray[np.int32], ...]
    mapped: mmap.mmap | None = None

    def find(self, name: str, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The float32s of the image that hold the elements at flat `indices` of the parameter `name`."""
        place = self.by_name[name]
        inside = indices if place.order is None else self.orders[place.order][indices].astype(np.int64)
        return place.start + inside

    def give_back(self) -> None:
        """Let the system have the memory of the orders until they are looked at again, if it is a file's."""
        if self.mapped is not None:
            self.mapped.madvise(mmap.MADV_DONTNEED)


def find_places(bundle: Path, manifest: Manifest, image: Image) -> Places:
    """Find every element of every parameter in `image`, and check each by value.

    Two more images are built in the image's folder, and removed.

    Raises:
        BundleError: onnxruntime cannot build them.
        UnsureError: an element lies nowhere or twice, two initializers share bytes, or a value differs; the
            text says which. Such a base cannot be patched in place.
    """
    place_of = _read_markers(bundle, manifest, image)
    floats, values = image.floats(), base_values(bundle, manifest)
    by_name: dict[str, Place] = {}
    orders: dict[bytes, tuple[int, NDArray[np.int32]]] = {}
    first = 0
    for entry in manifest.parameters:
        numel = math.prod(entry.shape)
        own = place_of[first : first + numel]
        first += numel
        if (own < 0).any():
            raise UnsureError(f"parameter {entry.name!r} is not whole in the image")
        if not np.array_equal(floats[own], values[entry.name].reshape(-1)):
            raise UnsureError(f"parameter {entry.name!r} has other values in the image than in the base")
        start = int(own.min())
        order = (own - start).astype(np.int32)
        if np.array_equal(order, np.arange(numel)):
            by_name[entry.name] = Place(start, None)
        else:
            number, _ = orders.setdefault(order.tobytes(), (len(orders), order))
            by_name[entry.name] = Place(start, number)
    return Places(by_name, tuple(order for _, order in orders.values()))


def _read_markers(bundle: Path, manifest: Manifest, image: Image) -> NDArray[np.int64]:
    """The float32 of the image that holds each element, elements numbered over all parameters."""
    place_of = np.full(sum(math.prod(entry.shape) for entry in manifest.parameters), -1, np.int64)
    folders = [image.folder / "first", image.folder / "second"]
    try:
        marked = []
        for folder, modulus in zip(folders, (_MODULUS, _MODULUS - 1), strict=True):
            folder.mkdir()
            marked.append(build_image(bundle, folder, _markers(manifest, modulus)))
        _check_regions(image, marked)
        floats = [each.floats() for each in (image, *marked)]
        for name, initializer in image.initializers.items():
            if initializer.data_type != FLOAT:
                continue
            parts = [
                each[slice(*_read_region(holder.initializers[name]))]
                for each, holder in zip(floats, (image, *marked), strict=True)
            ]
            if np.array_equal(parts[0], parts[1]) and np.array_equal(parts[0], parts[2]):
                continue  # a constant of the graph, whatever the weights are
            _place(place_of, parts[1], parts[2], _read_region(initializer)[0], name)
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    return place_of


def _place(
    place_of: NDArray[np.int64],
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    start: int,
    name: str,
) -> None:
    """Note where the elements of one region lie; zeros are padding."""
    # A position p is a + _MODULUS * k, so p is a + k by the other modulus.
    a, b = first.astype(np.float64), second.astype(np.float64)
    owner = a + _MODULUS * ((b - a) % (_MODULUS - 1)) - 1
    held = np.flatnonzero(~(owner < 0))  # what is no number is kept, and refused
    if not (owner[held] < len(place_of)).all() or (owner[held] % 1).any():
        raise UnsureError(f"initializer {name!r} does not hold parameters as they are")
    element = owner[held].astype(np.int64)
    twice = (place_of[element] >= 0).any()
    place_of[element] = start + held
    if twice or (place_of[element] != start + held).any():
        raise UnsureError(f"initializer {name!r} holds an element of a parameter that lies elsewhere too")


def _markers(manifest: Manifest, modulus: int) -> dict[str, Any]:
    """Initializers whose elements hold their position over all parameters, plus 1 as 0 is padding."""
    values, first = {}, 1
    for entry in manifest.parameters:
        numel = math.prod(entry.shape)
        marker = (np.arange(first, first + numel) % modulus).astype(np.float32).reshape(entry.shape)
        values[entry.initializer] = np.ascontiguousarray(marker.T if entry.transposed else marker)
        first += numel
    return values


def _check_regions(image: Image, marked: list[Image]) -> None:
    regions = [(each.offset, each.length) for each in image.initializers.values()]
    regions += [blob for each in image.initializers.values() for blob in each.packed]
    regions.sort()
    for (offset, length), (following, _) in pairwise(regions):
        if offset + length > following:
            raise UnsureError("two initializers of the image share their bytes")
    for other in marked:
        if image.initializers.keys() != other.initializers.keys():
            raise UnsureError("onnxruntime optimises the base otherwise with other values")
        for name, initializer in image.initializers.items():
            found = other.initializers[name]
            if len(initializer.packed) < len(found.packed):
                raise UnsureError(f"initializer {name!r} shares its packed bytes with one of equal values")
            if (initializer.length, len(initializer.packed)) != (found.length, len(found.packed)):
                raise UnsureError(f"initializer {name!r} is packed otherwise with other values")


def _read_region(initializer: Initializer) -> tuple[int, int]:
    """First and last (exclusive) float32 that an open session reads: the packed copy if there is one."""
    if len(initializer.packed) > 1:
        raise UnsureError(f"initializer {initializer.name!r} is packed {len(initializer.packed)} times")
    offset, length = initializer.packed[0] if initializer.packed else (initializer.offset, initializer.length)
    return offset // 4, (offset + length) // 4

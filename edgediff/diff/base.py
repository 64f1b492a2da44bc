"""The frozen model that a diff changes, named by the content of its parameters."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Base:
    """Which base a diff belongs to.

    Attributes:
        name: the model's name, for people.
        fingerprint: 64 lower-case hexadecimal digits, see `fingerprint`.
        parameters: how many numbers the encoder has; the denominator of every density.
        width: the length of the feature vector that a head multiplies.
    """

    name: str
    fingerprint: str
    parameters: int
    width: int


def fingerprint(parameters: Iterable[tuple[str, NDArray[Any]]]) -> str:
    """SHA-256 over an encoder's parameters, the same from torch and from a bundle.

    `parameters` are (name, array) pairs in any order: names as in the encoder's `named_parameters()`,
    arrays in PyTorch's orientation. They are hashed sorted by name; each contributes
    `name NUL dtype NUL d0,d1,... NUL` (UTF-8) and then its little-endian row-major bytes.
    """
    digest = hashlib.sha256()
    for name, array in sorted(parameters, key=lambda pair: pair[0]):
        shape = ",".join(str(size) for size in array.shape)
        digest.update(f"{name}\0{array.dtype.name}\0{shape}\0".encode())
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()

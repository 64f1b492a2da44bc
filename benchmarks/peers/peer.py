"""A way to have many tasks on a device, and its files for some of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Feeds = dict[str, NDArray[Any]]
Logits = Callable[[str, Feeds], NDArray[np.float32]]
"""Logits of a task for token inputs, whatever it takes to have it active."""


@dataclass(frozen=True)
class Peer:
    """A way to have many tasks on a device.

    Attributes:
        name: of its row.
        files: what would ship for each task.
        open: gives a function that answers for the given tasks; what it needs is open from then on.
        reopen: whether a switch is an `open` of the one task, as where each task is a model of its own.
    """

    name: str
    files: dict[str, Path]
    open: Callable[[list[str]], Logits]
    reopen: bool = True

"""A way to have many tasks on a device, and its files for some of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Feeds = dict[str, NDArray[Any]]
Logits = Callable[[str, Feeds], NDArray[np.float32]]
"""Logits of a task, by its name, for token inputs, whatever it takes to have it active."""
Names = Mapping[str, str]
"""Tasks by the names that they get: of two names for one, each takes what a task of its own would."""


@dataclass(frozen=True)
class Peer:
    """A way to have many tasks on a device.

    Attributes:
        name: of its row.
        files: what would ship for each task.
        open: gives a function that answers for tasks by their names; what it needs is open from then on.
        reopen: whether a switch is an `open` of the one task, as where each task is a model of its own.
    """

    name: str
    files: dict[str, Path]
    open: Callable[[Names], Logits]
    reopen: bool = True

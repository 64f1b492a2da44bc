"""Times, taken in turns and told by their median and 95th percentile."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

Actions = Mapping[str, Callable[[int], object]]
"""What is timed, by name; each is told the number of its round."""


def in_turns(
    actions: Actions, rounds: int, before: Callable[[], object] | None = None
) -> dict[str, dict[str, Any]]:
    """Time each action once a round, the actions taking turns, so that a slow moment meets all alike.

    `before` is called ahead of each, untimed. One round more goes first and is not counted: it allocates.
    """
    times: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(rounds + 1):
        for name, action in actions.items():
            if before is not None:
                before()
            times[name].append(timed(partial(action, number)))
    return {name: summary(own[1:]) for name, own in times.items()}


def timed(action: Callable[[], object]) -> float:
    """The seconds of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def summary(seconds: list[float]) -> dict[str, Any]:
    """Median and 95th percentile in milliseconds, and of how many."""
    median, high = (float(each) for each in np.percentile(seconds, (50, 95)))
    return {"p50_ms": round(1000 * median, 4), "p95_ms": round(1000 * high, 4), "times": len(seconds)}

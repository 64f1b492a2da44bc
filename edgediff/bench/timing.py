"""Times, taken in turns and told by their median and 95th percentile."""

import random
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

    Each round has another order: else what one leaves in the caches would always meet the same next one.

    `before` is called ahead of each, untimed. One round more goes first and is not counted: it allocates.
    """
    times: dict[str, list[float]] = {name: [] for name in actions}
    order = random.Random(0)  # noqa: S311
    for number in range(rounds + 1):
        for name in order.sample(list(actions), len(actions)):
            if before is not None:
                before()
            times[name].append(timed(partial(actions[name], number)))
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

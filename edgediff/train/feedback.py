"""The weight of the L0 term, steered so that the wanted share of gates is open, whatever the task's scale.

The gradient of a gate scales with the task's own gradient, which differs by two orders of magnitude between
tasks; no fixed weight serves two of them. So the weight follows the share of open gates: it rises while more
are open than a falling target allows, and sinks while fewer are.
"""

import math

START_WEIGHT = 1e-8
TARGET_REACHED = 0.8
LOWEST_WEIGHT = 1e-9
_GAIN, _DAMPING, _LARGEST_CHANGE = 0.1, 5.0, 0.2


class L0Feedback:
    """A damped controller of the L0 weight on a logarithmic scale.

    Attributes:
        weight: the L0 weight to use now.
    """

    def __init__(self, start_share: float, end_share: float, steps: int) -> None:
        self.weight = START_WEIGHT
        self._start, self._end, self._steps = start_share, min(end_share, start_share), steps
        self._error = 0.0

    def target(self, step: int) -> float:
        """The wanted share of open gates: falls geometrically, then stays for the last fifth of the stage."""
        progress = min(step / max(TARGET_REACHED * self._steps, 1), 1.0)
        return float(self._start * (self._end / self._start) ** progress)

    def update(self, step: int, open_share: float) -> None:
        """Adjust the weight to the share of gates that step `step` found open."""
        error = math.log(max(open_share, 1e-12) / self.target(step))
        change = _GAIN * error + _DAMPING * (error - self._error)
        self._error = error
        self.weight *= math.exp(max(-_LARGEST_CHANGE, min(_LARGEST_CHANGE, change)))
        # Gates that a task does not need close by themselves at first; a weight that sank without bound
        # meanwhile would come back too late.
        self.weight = max(self.weight, LOWEST_WEIGHT)

    def state(self) -> tuple[float, float]:
        """What `restore` needs."""
        return self.weight, self._error

    def restore(self, state: tuple[float, float]) -> None:
        """Go on from an earlier `state`."""
        self.weight, self._error = state

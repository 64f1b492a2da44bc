"""What the stages of training have in common."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgediff.train.settings import Settings

State = dict[str, Tensor]
"""All that a stage needs to go on: tensors by name."""

Parameters = Mapping[str, nn.Parameter]
"""The encoder's parameters that a stage may change, by name and sorted by it."""


class Stage(ABC):
    """A part of training with its own parameters and its own way to update them.

    Each step calls `prepare` (write the effective weights), then the task's loss is computed and
    differentiated, then `update` (turn the weights' gradients into a change).

    Attributes:
        name: for the record.
        steps: how many the stage takes.
        dropout: whether the model drops activations in it.
        optimizer: holds every parameter that the stage learns, each group with its `peak` rate.
    """

    name: str
    dropout: bool = True
    optimizer: torch.optim.Optimizer

    def __init__(self, settings: Settings, steps: int) -> None:
        self.settings = settings
        self.steps = steps

    def prepare(self, step: int) -> None:  # noqa: B027 (most stages learn the model's own parameters)
        """Write the weights that this step's loss is computed with."""

    @abstractmethod
    def update(self, step: int) -> None:
        """Apply one step, from the gradients that the backward pass left."""

    def settle(self) -> None:  # noqa: B027
        """Write the weights that the stage has learnt so far, free of noise."""

    def note(self) -> dict[str, float]:
        """What the history records beside the loss."""
        return {}

    def learnt(self) -> list[Tensor]:
        """All that the stage learns."""
        return [tensor for group in self.optimizer.param_groups for tensor in group["params"]]

    def state(self) -> State:
        """The state after a whole step."""
        return _optimizer_state(self.optimizer)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        _restore_optimizer(self.optimizer, state)

    def set_rates(self, step: int) -> None:
        """Set each group's learning rate for `step`; a group without warm-up keeps its peak."""
        for group in self.optimizer.param_groups:
            if not group.get("constant", False):
                group["lr"] = _rate_at(group["peak"], step, self.steps, self.settings.warmup)


class Chooser(Stage):
    """A stage that finds out which entries a task needs."""

    @abstractmethod
    def found(self) -> dict[str, NDArray[np.float32]]:
        """A value for each entry of every parameter, in its shape; its square is what the entry is worth."""

    def start(self, found: Mapping[str, NDArray[np.float32]]) -> Mapping[str, NDArray[np.float32]] | None:
        """Where the kept entries begin to be tuned; None is at the base's own values."""
        return None

    def detach(self) -> None:
        """Put the base's own values back into the model, bit for bit."""


def learn_only(model: nn.Module, parameters: Iterable[nn.Parameter]) -> None:
    """Have the backward pass reach `parameters` of the encoder alone; the rest costs nothing."""
    model.requires_grad_(False)
    for parameter in parameters:
        parameter.requires_grad_(True)


def adam(groups: Iterable[tuple[list[Tensor], float, bool]]) -> torch.optim.AdamW:
    """Torch's fused AdamW over (parameters, peak rate, whether constant) groups, without weight decay."""
    return torch.optim.AdamW(
        [{"params": tensors, "lr": peak, "peak": peak, "constant": flat} for tensors, peak, flat in groups],
        weight_decay=0.0,
        fused=True,
    )


def clip(tensors: Iterable[Tensor], norm: float) -> None:
    """Scale the gradients of `tensors` down to `norm` all together."""
    nn.utils.clip_grad_norm_(tensors, norm, foreach=True)


def clip_known(tensors: list[Tensor], squares: float, norm: float) -> None:
    """As `clip`, where the squared length of all gradients is known: often there is nothing to do."""
    length = math.sqrt(squares)
    if length > norm:
        torch._foreach_mul_([t.grad for t in tensors if t.grad is not None], norm / length)


def _optimizer_state(optimizer: torch.optim.Optimizer) -> State:
    state = {}
    for number, moments in optimizer.state_dict()["state"].items():
        for key, value in moments.items():
            state[f"optimizer.{number}.{key}"] = value
    return state


def _restore_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]) -> None:
    plain = optimizer.state_dict()
    plain["state"] = {}
    for key, value in state.items():
        if key.startswith("optimizer."):
            _, number, moment = key.split(".")
            plain["state"].setdefault(int(number), {})[moment] = value
    optimizer.load_state_dict(plain)


def _rate_at(peak: float, step: int, steps: int, warmup: float) -> float:
    """The learning rate of a step: up from 0 within the warm-up, then linearly down to 0."""
    rising = max(round(warmup * steps), 1)
    if step < rising:
        return peak * (step + 1) / rising
    return peak * (steps - step) / max(steps - rising, 1)

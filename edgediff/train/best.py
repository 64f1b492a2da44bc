"""The best values so far by the dev rows, and when to stop looking for better ones."""

from collections.abc import Mapping

import torch
from torch import Tensor

from edgediff.train.stage import State


class Best:
    """Keeps a copy of what a stage learns each time the score rises.

    Attributes:
        patience: how many epochs without a better score end the stage.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self._score, self._waited = float("-inf"), 0
        self._copies: list[Tensor] = []

    def see(self, score: float, learnt: list[Tensor]) -> bool:
        """Take in an epoch's score; whether to stop."""
        if score > self._score:
            self._score, self._waited = score, 0
            self._copies = [tensor.detach().clone() for tensor in learnt]
        else:
            self._waited += 1
        return self._waited >= self.patience

    @torch.no_grad()
    def put_back(self, learnt: list[Tensor]) -> None:
        """Write the best copies into what the stage learns."""
        for tensor, copy in zip(learnt, self._copies, strict=bool(self._copies)):
            tensor.copy_(copy)

    def state(self) -> State:
        """What `restore` needs."""
        counts = torch.tensor([self._score, self._waited], dtype=torch.float64)
        return {"best": counts} | {f"best.{i}": copy for i, copy in enumerate(self._copies)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`; one without a best (of an earlier stage) changes nothing."""
        if "best" not in state:
            return
        self._score, waited = state["best"].tolist()
        self._waited = int(waited)
        count = sum(name.startswith("best.") for name in state)
        self._copies = [state[f"best.{i}"] for i in range(count)]

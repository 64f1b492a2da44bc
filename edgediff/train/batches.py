"""Rows to batches of tokens, in an order that seed and epoch alone decide."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from edgediff.diff import Task
from edgediff.encoder import Encoder
from edgediff.score import Rows

_WINDOW = 16
"""Batches among which rows are sorted by length: little padding, while batches still differ each epoch."""


@dataclass(frozen=True)
class Batch:
    """Token inputs, each `(rows, tokens)` int64, and targets `(rows,)`."""

    inputs: dict[str, Tensor]
    targets: Tensor


class TokenRows:
    """Tokenised rows."""

    def __init__(self, rows: Rows, encoder: Encoder, task: Task) -> None:
        self._encoder = encoder
        self._columns = encoder.tokenize(rows.texts, rows.pairs, task.max_length)
        self.targets = torch.from_numpy(rows.targets)
        self.lengths = torch.tensor([len(ids) for ids in self._columns["input_ids"]])

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.targets)

    def token_ids(self) -> Tensor:
        """Every token that occurs in the rows, once, ascending."""
        tokens = {token for ids in self._columns["input_ids"] for token in ids}
        return torch.tensor(sorted(tokens))

    def batch(self, chosen: Tensor, device: torch.device) -> Batch:
        """The rows at `chosen`, padded to the longest of them."""
        rows = chosen.tolist()
        padded = self._encoder.pad(
            {name: [column[row] for row in rows] for name, column in self._columns.items()}
        )
        inputs = {name: tensor.to(device) for name, tensor in padded.items()}
        return Batch(inputs, self.targets[chosen].to(device))

    def in_order_of_length(self, batch_size: int) -> Iterator[Tensor]:
        """All rows once, in batches of like length: the order for scoring."""
        yield from torch.split(self.lengths.argsort(stable=True), batch_size)

    def steps_per_epoch(self, batch_size: int) -> int:
        """How many batches hold all rows."""
        return math.ceil(len(self) / batch_size)

    def training_order(self, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
        """The batches of one epoch: shuffled, sorted by length within windows, and shuffled as batches."""
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(len(self), generator=generator)
        batches: list[Tensor] = []
        for window in torch.split(order, batch_size * _WINDOW):
            by_length = window[self.lengths[window].argsort(stable=True)]
            batches += torch.split(by_length, batch_size)
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]

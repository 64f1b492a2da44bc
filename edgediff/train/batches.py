"""Rows to batches of tokens, in an order that seed and epoch alone decide."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgediff.diff import Kind, Task
from edgediff.encoder import Encoder
from edgediff.score import Answers, Rows
from edgediff.tokens import Feature, first_tokens
from edgediff.tokens.tokenizer import pad

IGNORED = -100
"""The target of a token that no label belongs to; torch's cross-entropy leaves it out."""
_WINDOW = 16
"""Batches among which rows are sorted by length: little padding, while batches still differ each epoch."""


@dataclass(frozen=True)
class Batch:
    """Token inputs, each `(features, tokens)` int64, and targets.

    Targets are `(features,)` positions or numbers, `(features, labels)` for multi-label tasks, `(features,
    tokens)` positions for token classification, and `(features, 2)` start and end for question answering.
    """

    inputs: dict[str, Tensor]
    targets: Tensor


class TokenRows:
    """Labelled rows as the features that an encoder sees, with a target each.

    Attributes:
        rows: as they were read.
        features: of all rows, in order.
        lengths: `(features,)` tokens.
        cut: how many rows had more tokens than the maximum.
    """

    def __init__(self, rows: Rows, encoder: Encoder, task: Task) -> None:
        self.rows = rows
        self._task = task
        self._tokenizer = encoder.task_tokenizer(task)
        self.features = self._tokenizer(rows.texts, rows.pairs)
        self.lengths = torch.tensor([len(feature) for feature in self.features])
        self.cut = sum(feature.cut for feature in self.features)
        self.max_length = self._tokenizer.max_length
        self._targets = _targets(task, rows, self.features)

    def __len__(self) -> int:
        """How many features there are."""
        return len(self.features)

    def token_ids(self) -> Tensor:
        """Every token that occurs in the rows, once, ascending."""
        return torch.tensor(sorted({token for feature in self.features for token in feature.encoding.ids}))

    def batch(self, chosen: Tensor, device: torch.device) -> Batch:
        """The features at `chosen`, padded to the longest of them."""
        places = chosen.tolist()
        inputs = self._tokenizer.pad([self.features[place] for place in places])
        if self._task.kind is Kind.TOKEN_CLASSIFICATION:
            targets = pad([self._targets[place] for place in places], IGNORED)
        else:
            targets = self._targets[places]
        on_device = {name: torch.from_numpy(array).to(device) for name, array in inputs.items()}
        return Batch(on_device, torch.from_numpy(targets).to(device))

    def terms(self, chosen: Tensor) -> int:
        """How many terms the mean of a loss over the features at `chosen` has."""
        if self._task.kind is not Kind.TOKEN_CLASSIFICATION:
            return len(chosen)
        return max(sum(int((self._targets[place] != IGNORED).sum()) for place in chosen.tolist()), 1)

    def in_order_of_length(self, batch_size: int) -> list[Tensor]:
        """All features once, in batches of like length: the order for scoring."""
        return list(torch.split(self.lengths.argsort(stable=True), batch_size))

    def steps_per_epoch(self, batch_size: int) -> int:
        """How many batches hold all features."""
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


def _targets(task: Task, rows: Rows, features: list[Feature]) -> Any:
    if task.kind is Kind.TOKEN_CLASSIFICATION:
        assert rows.words is not None
        triples = zip(features, rows.words, rows.targets, strict=True)
        return [_of_tokens(feature, words, labels) for feature, words, labels in triples]
    if task.kind is Kind.QUESTION_ANSWERING:
        return np.array([_of_window(feature, rows.targets[feature.row]) for feature in features], np.int64)
    return rows.targets


def _of_tokens(feature: Feature, words: list[str], labels: Any) -> Any:
    """Each word's label at its first token."""
    targets = np.full(len(feature), IGNORED, np.int64)
    first = first_tokens(feature, words)
    targets[first[first >= 0]] = labels[first >= 0]
    return targets


def _of_window(feature: Feature, answers: Answers) -> tuple[int, int]:
    """The tokens that the first answer begins and ends with; token 0 where the window lacks it."""
    if not answers.texts:
        return 0, 0
    text = answers.texts[0]
    first = answers.starts[0] + len(text) - len(text.lstrip())  # white space is of no token
    last = answers.starts[0] + len(text.rstrip()) - 1
    context = feature.sequence == 1
    ends = [
        np.flatnonzero(context & (feature.offsets[:, 0] <= place) & (place < feature.offsets[:, 1]))
        for place in (first, last)
    ]
    return (int(ends[0][0]), int(ends[1][-1])) if len(ends[0]) and len(ends[1]) else (0, 0)


def parts_of(chosen: Tensor, parts: int) -> Iterator[tuple[int, Tensor]]:
    """A batch in `parts` parts of nearly one size, each with its number; empty ones are left out."""
    for number, part in enumerate(torch.tensor_split(chosen, parts)):
        if len(part):
            yield number, part

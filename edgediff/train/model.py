"""The encoder with a task's head, and the task's loss."""

import torch
from torch import Tensor, nn

from edgediff.diff import Head, Kind, Task
from edgediff.encoder import Encoder
from edgediff.score import Rows
from edgediff.train.batches import IGNORED


class TaskModel(nn.Module):
    """An encoder and a dense linear head on its pooled feature (or on every token)."""

    def __init__(self, encoder: Encoder, task: Task) -> None:
        super().__init__()
        self.encoder = encoder
        self.task = task
        self.dropout = nn.Dropout(encoder.dropout)
        self.head = nn.Linear(encoder.width, task.outputs)
        self.factors = nn.ParameterList()
        """Of products that linear layers add (`factors.py`)."""
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """The logits of a batch, `(batch, outputs)`."""
        pooled, hidden = self.encoder(**inputs)
        logits: Tensor = self.head(self.dropout(hidden if self.task.per_token else pooled))
        return logits

    def loss(self, inputs: dict[str, Tensor], targets: Tensor) -> Tensor:
        """The loss in float32, summed over its terms: rows, or labelled tokens for token classification.

        Cross-entropy; binary cross-entropy, averaged over labels, for multi-label tasks; the squared error
        for regression; for question answering the mean of the cross-entropies of start and end over all
        tokens.
        """
        logits = self(inputs).float()
        match self.task.kind:
            case Kind.CLASSIFICATION:
                return nn.functional.cross_entropy(logits, targets, reduction="sum")
            case Kind.REGRESSION:
                return nn.functional.mse_loss(logits[:, 0], targets, reduction="sum")
            case Kind.MULTI_LABEL:
                losses = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
                return losses.mean(-1).sum()
            case Kind.TOKEN_CLASSIFICATION:
                flat = logits.flatten(0, 1)
                return nn.functional.cross_entropy(
                    flat, targets.flatten(), reduction="sum", ignore_index=IGNORED
                )
            case Kind.QUESTION_ANSWERING:
                padding = inputs["attention_mask"] == 0
                places = logits.masked_fill(padding[..., None], -1e9)  # (features, tokens, 2)
                return nn.functional.cross_entropy(places, targets, reduction="sum") / 2

    def head_arrays(self) -> Head:
        """The head as a diff holds it."""
        return Head(*(p.detach().float().cpu().numpy().copy() for p in (self.head.weight, self.head.bias)))

    def take_head(self, head: Head | None) -> None:
        """Begin with a head that was learnt elsewhere, if there is one."""
        if head is not None:
            with torch.no_grad():
                self.head.weight.copy_(torch.from_numpy(head.weight))
                self.head.bias.copy_(torch.from_numpy(head.bias))

    def parameters_by_name(self) -> dict[str, nn.Parameter]:
        """The encoder's parameters, sorted by name."""
        return dict(sorted(self.encoder.model.named_parameters()))


def linear_layers(encoder: nn.Module) -> dict[str, nn.Linear]:
    """All linear layers, by the names of their weights."""
    named = encoder.named_modules()
    return {f"{name}.weight": module for name, module in named if isinstance(module, nn.Linear)}


def make_model(encoder: Encoder, task: Task, seed: int, rows: Rows) -> TaskModel:
    """A task model whose head depends on the seed alone; a regression starts at the mean of its targets."""
    torch.manual_seed(seed)
    model = TaskModel(encoder, task)
    if task.kind is Kind.REGRESSION:
        nn.init.constant_(model.head.bias, float(rows.targets.mean()))
    return model

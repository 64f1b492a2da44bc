"""The encoder with a task's head, and the task's loss."""

import torch
from torch import Tensor, nn

from edgediff.diff import Head, Kind, Task
from edgediff.encoder import Encoder


class TaskModel(nn.Module):
    """An encoder and a dense linear head on its pooled feature (or on every token)."""

    def __init__(self, encoder: Encoder, task: Task) -> None:
        super().__init__()
        self.encoder = encoder
        self.task = task
        self.dropout = nn.Dropout(encoder.dropout)
        self.head = nn.Linear(encoder.width, task.outputs)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """The logits of a batch, `(batch, outputs)`."""
        pooled, hidden = self.encoder(**inputs)
        logits: Tensor = self.head(self.dropout(hidden if self.task.per_token else pooled))
        return logits

    def loss(self, inputs: dict[str, Tensor], targets: Tensor) -> Tensor:
        """Cross-entropy, or the squared error for regression, in float32."""
        logits = self(inputs).float()
        if self.task.kind is Kind.REGRESSION:
            return nn.functional.mse_loss(logits[:, 0], targets)
        return nn.functional.cross_entropy(logits, targets)

    def head_arrays(self) -> Head:
        """The head as a diff holds it."""
        return Head(*(p.detach().float().cpu().numpy().copy() for p in (self.head.weight, self.head.bias)))

    def parameters_by_name(self) -> dict[str, nn.Parameter]:
        """The encoder's parameters, sorted by name."""
        return dict(sorted(self.encoder.model.named_parameters()))


def make_model(encoder: Encoder, task: Task, seed: int, targets: Tensor) -> TaskModel:
    """A task model whose head depends on the seed alone; a regression starts at the mean of its targets."""
    torch.manual_seed(seed)
    model = TaskModel(encoder, task)
    if task.kind is Kind.REGRESSION:
        nn.init.constant_(model.head.bias, float(targets.mean()))
    return model

"""The head in a checkpoint that transformers or PEFT wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from edgediff.diff import Head, Kind, Task
from edgediff.encoder.encoder import Encoder
from edgediff.errors import ModelError

_HEADS = ("classifier", "qa_outputs")
"""What transformers calls a head that is one linear layer."""
_DEEPER = ("pre_classifier.", "classifier.dense.", "classifier.out_proj.")
"""Parts of heads with a hidden layer, which a diff's linear head cannot hold."""


def linear_head(state: Mapping[str, torch.Tensor], encoder: Encoder, task: Task) -> Head | None:
    """The head in what the encoder's own parameters left over of `state`; None unless it is one layer.

    Its rows are in the checkpoint's order, which `in_task_order` changes.
    """
    # A pooler that the encoder lacks is a part of the head: so it is with DeBERTa.
    deeper = _DEEPER if task.per_token else (*_DEEPER, "pooler.")
    if any(name.startswith(deeper) for name in state):
        return None
    name = _HEADS[task.kind is Kind.QUESTION_ANSWERING]
    weight, bias = state.get(f"{name}.weight"), state.get(f"{name}.bias")
    if weight is None or bias is None or tuple(weight.shape) != (task.outputs, encoder.width):
        return None
    return Head(weight.float().numpy(), bias.float().numpy())


def in_task_order(
    head: Head | None, task: Task, folder: str | Path, config: Mapping[str, Any]
) -> tuple[Head | None, bool]:
    """The head found in `folder` with a row for each of the task's labels, in their order.

    Its rows are known by the names in the checkpoint's `config`. If that has none but LABEL_0, LABEL_1 and so
    on, with which transformers fills the gap, the rows stay as they are, and the second value is True: their
    order is taken on trust.

    Raises:
        ModelError: the names are others than the task's.
    """
    if head is None or not task.labels:
        return head, False
    known = config.get("id2label")
    known = known if isinstance(known, dict) else {}
    names = [str(known.get(str(row), f"LABEL_{row}")) for row in range(task.outputs)]
    for same in (str.strip, _folded):  # labels of a task may differ in nothing but case
        found, wanted = [same(name) for name in names], [same(label) for label in task.labels]
        if len(set(found)) == len(found) and set(found) == set(wanted):
            order = [found.index(label) for label in wanted]
            return Head(head.weight[order], head.bias[order]), False
    if all(name in (f"LABEL_{row}", str(row)) for row, name in enumerate(names)):
        return head, True
    raise ModelError(
        f"{folder} has the labels {', '.join(names):.300}, expected those of task {task.name!r} in any order:"
        f" {', '.join(task.labels):.300}"
    )


def beside_heads(state: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
    """The names in `state` that belong to no head."""
    return tuple(name for name in state if not name.startswith(_HEADS))


def _folded(name: str) -> str:
    return name.strip().casefold()

"""A fine-tuned checkpoint against the encoder that it came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from edgediff.diff import Head, Task
from edgediff.encoder.checkpoint import read_config, read_tensors
from edgediff.encoder.encoder import Encoder
from edgediff.encoder.heads import beside_heads, in_task_order, linear_head
from edgediff.errors import ModelError

_CONFIG, _WEIGHTS = "config.json", ("model.safetensors", "pytorch_model.bin")
"""What transformers calls a checkpoint's files."""


@dataclass(frozen=True, eq=False)
class Tuned:
    """What fine-tuning changed.

    Attributes:
        difference: tuned minus base, of every parameter in its shape; zero where the checkpoint lacks one.
        head: its head, if it is one linear layer of the task's size; else None.
        trusted: whether the order of the head's rows is taken on trust, as the checkpoint names no labels.
        missing: parameters of the encoder that the checkpoint lacks.
        extra: tensors of the checkpoint that neither the encoder nor its head has.
    """

    difference: dict[str, NDArray[np.float32]]
    head: Head | None
    trusted: bool
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def load_tuned(tuned: str | Path, encoder: Encoder, task: Task) -> Tuned:
    """Compare the checkpoint folder `tuned` with `encoder`, parameter by parameter.

    Raises:
        ModelError: it cannot be read, shares no parameter with the encoder, or has one in another shape; or
            it has other labels than the task.
    """
    state = _masked(read_tensors(Path(tuned), _CONFIG, _WEIGHTS))
    prefix = f"{encoder.model.base_model_prefix}."
    inner = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    difference, missing = {}, []
    for name, base in encoder.arrays():
        found = inner.pop(name, None)
        if found is None:
            missing.append(name)
            difference[name] = np.zeros_like(base)
            continue
        if tuple(found.shape) != base.shape:
            raise ModelError(
                f"{tuned}: tensor {name!r} has shape {tuple(found.shape)}, the base {encoder.name} has"
                f" {base.shape}"
            )
        difference[name] = found.float().numpy() - base
        if not np.isfinite(difference[name]).all():
            raise ModelError(f"{tuned}: tensor {name!r} holds a value that is not finite")
    if len(missing) == len(difference):
        raise ModelError(f"{tuned} has no parameter of the base {encoder.name}, {missing[0]!r} for one")
    config = read_config(Path(tuned), _CONFIG)
    head, trusted = in_task_order(linear_head(inner, encoder, task), task, tuned, config)
    buffers = {name for name, _ in encoder.model.named_buffers()} | {"embeddings.position_ids"}
    extra = [name for name in beside_heads(inner) if name not in buffers]
    return Tuned(difference, head, trusted, tuple(missing), tuple(extra))


def _masked(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as they act: `torch.nn.utils.prune` saves a weight apart from the mask that it is under."""
    found = dict(state)
    for name in [name.removesuffix("_mask") for name in state if name.endswith("_mask")]:
        original, mask = found.get(f"{name}_orig"), found[f"{name}_mask"]
        if original is not None and original.shape == mask.shape:
            found[name] = found.pop(f"{name}_orig") * found.pop(f"{name}_mask")
    return found

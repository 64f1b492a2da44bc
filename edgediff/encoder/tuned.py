"""A fine-tuned checkpoint against the encoder that it came from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers.utils import SAFE_WEIGHTS_NAME, WEIGHTS_NAME

from edgediff.diff import Head, Task
from edgediff.encoder.encoder import Encoder, quiet_transformers
from edgediff.errors import ModelError

_HEADS = ("classifier", "qa_outputs")
"""What transformers calls a head that is one linear layer."""
_DEEPER = ("pre_classifier.", "classifier.dense.", "classifier.out_proj.")
"""Parts of heads with a hidden layer, which a diff's linear head cannot hold."""


@dataclass(frozen=True, eq=False)
class Tuned:
    """What fine-tuning changed.

    Attributes:
        difference: tuned minus base, of every parameter in its shape; zero where the checkpoint lacks one.
        head: its head, if it is one linear layer of the task's size; else None.
        missing: parameters of the encoder that the checkpoint lacks.
        extra: tensors of the checkpoint that neither the encoder nor its head has.
    """

    difference: dict[str, NDArray[np.float32]]
    head: Head | None
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def load_tuned(tuned: str | Path, encoder: Encoder, task: Task) -> Tuned:
    """Compare the checkpoint folder `tuned` with `encoder`, parameter by parameter.

    Raises:
        ModelError: it cannot be read, shares no parameter with the encoder, or has one in another shape.
    """
    state = {name.removesuffix("_orig"): tensor for name, tensor in _state(Path(tuned)).items()}
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
    head = _head(inner, encoder, task)
    buffers = {name for name, _ in encoder.model.named_buffers()} | {"embeddings.position_ids"}
    extra = [name for name in inner if name not in buffers and not name.startswith(_HEADS)]
    return Tuned(difference, head, tuple(missing), tuple(extra))


def _state(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, whatever model class it was saved from."""
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is no checkpoint folder: it has no config.json")
    try:
        with quiet_transformers():
            if (folder / SAFE_WEIGHTS_NAME).is_file():
                from safetensors.torch import load_file

                return load_file(folder / SAFE_WEIGHTS_NAME)
            if (folder / WEIGHTS_NAME).is_file():
                return dict(torch.load(folder / WEIGHTS_NAME, map_location="cpu", weights_only=True))
            model: Any = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
            return dict(model.state_dict())  # in several files, which transformers puts together
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"{folder} cannot be read as a checkpoint: {reason}") from error


def _head(state: dict[str, torch.Tensor], encoder: Encoder, task: Task) -> Head | None:
    if any(name.startswith(_DEEPER) for name in state):
        return None
    for name in _HEADS:
        weight, bias = state.get(f"{name}.weight"), state.get(f"{name}.bias")
        if weight is not None and bias is not None and tuple(weight.shape) == (task.outputs, encoder.width):
            return Head(weight.float().numpy(), bias.float().numpy())
    return None

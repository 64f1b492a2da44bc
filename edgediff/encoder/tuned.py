"""A fine-tuned checkpoint against the encoder that it came from."""

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from edgediff.diff import Head, Kind, Task
from edgediff.encoder.encoder import Encoder
from edgediff.errors import ModelError

_HEADS = ("classifier", "qa_outputs")
"""What transformers calls a head that is one linear layer."""
_DEEPER = ("pre_classifier.", "classifier.dense.", "classifier.out_proj.")
"""Parts of heads with a hidden layer, which a diff's linear head cannot hold."""
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""What transformers calls a checkpoint's weights; `.index.json` follows where they are in several files."""


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
    state: dict[str, Any] = {}
    try:
        for path in _weight_files(folder):
            state |= load_file(path) if path.suffix == ".safetensors" else _load_pickled(path)
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, EOFError, SafetensorError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"{folder} cannot be read as a checkpoint: {reason}") from error
    return {name: tensor for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}


def _weight_files(folder: Path) -> list[Path]:
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            parts = json.loads(index.read_text("utf-8"))["weight_map"].values()
            return [folder / Path(part).name for part in sorted(set(parts))]
    raise ModelError(f"{folder} is no checkpoint folder: it has neither of {', '.join(_WEIGHTS)}")


def _load_pickled(path: Path) -> dict[str, Any]:
    """Tensors alone: a pickle that wants more is refused before any of it runs."""
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:
        raise ModelError(f"{path} is refused: it holds more than tensors") from error


def _head(state: dict[str, torch.Tensor], encoder: Encoder, task: Task) -> Head | None:
    """The head in what the encoder's own parameters left over of `state`."""
    # A pooler that the encoder lacks is a part of the head: so it is with DeBERTa.
    deeper = _DEEPER if task.per_token else (*_DEEPER, "pooler.")
    if any(name.startswith(deeper) for name in state):
        return None
    name = _HEADS[task.kind is Kind.QUESTION_ANSWERING]
    weight, bias = state.get(f"{name}.weight"), state.get(f"{name}.bias")
    if weight is None or bias is None or tuple(weight.shape) != (task.outputs, encoder.width):
        return None
    return Head(weight.float().numpy(), bias.float().numpy())

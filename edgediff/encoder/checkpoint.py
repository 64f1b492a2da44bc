"""The folders in which transformers and PEFT leave what they trained."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from edgediff.diff import Head, Kind, Task
from edgediff.encoder.encoder import Encoder
from edgediff.errors import ModelError

_HEADS = ("classifier", "qa_outputs")
"""What transformers calls a head that is one linear layer."""
_DEEPER = ("pre_classifier.", "classifier.dense.", "classifier.out_proj.")
"""Parts of heads with a hidden layer, which a diff's linear head cannot hold."""


def read_tensors(folder: Path, config: str, weights: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, whatever model class it was saved from.

    `config` is the file that makes the folder one, `weights` the names that the file of tensors may have;
    where they are in several, `.index.json` follows.

    Raises:
        ModelError: it cannot be read.
    """
    if not (folder / config).is_file():
        raise ModelError(f"{folder} is no checkpoint folder: it has no {config}")
    state: dict[str, Any] = {}
    try:
        for path in _files(folder, weights):
            state |= load_file(path) if path.suffix == ".safetensors" else _load_pickled(path)
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, EOFError, SafetensorError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"{folder} cannot be read as a checkpoint: {reason}") from error
    return {name: tensor for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}


def linear_head(state: Mapping[str, torch.Tensor], encoder: Encoder, task: Task) -> Head | None:
    """The head in what the encoder's own parameters left over of `state`; None unless it is one layer."""
    # A pooler that the encoder lacks is a part of the head: so it is with DeBERTa.
    deeper = _DEEPER if task.per_token else (*_DEEPER, "pooler.")
    if any(name.startswith(deeper) for name in state):
        return None
    name = _HEADS[task.kind is Kind.QUESTION_ANSWERING]
    weight, bias = state.get(f"{name}.weight"), state.get(f"{name}.bias")
    if weight is None or bias is None or tuple(weight.shape) != (task.outputs, encoder.width):
        return None
    return Head(weight.float().numpy(), bias.float().numpy())


def beside_heads(state: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
    """The names in `state` that belong to no head."""
    return tuple(name for name in state if not name.startswith(_HEADS))


def _files(folder: Path, weights: tuple[str, ...]) -> list[Path]:
    for name in weights:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            parts = json.loads(index.read_text("utf-8"))["weight_map"].values()
            return [folder / Path(part).name for part in sorted(set(parts))]
    raise ModelError(f"{folder} is no checkpoint folder: it has neither of {', '.join(weights)}")


def _load_pickled(path: Path) -> dict[str, Any]:
    """Tensors alone: a pickle that wants more is refused before any of it runs."""
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:
        raise ModelError(f"{path} is refused: it holds more than tensors") from error

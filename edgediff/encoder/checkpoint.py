"""The folders in which transformers and PEFT leave what they trained."""

import json
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from edgediff.errors import ModelError


def read_tensors(folder: Path, config: str, weights: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, whatever model class it was saved from.

    `config` is the file that makes the folder one, `weights` the names that the file of tensors may have;
    where they are in several, `.index.json` follows.

    Raises:
        ModelError: it cannot be read.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder, expected that of a checkpoint or an adapter")
    if not (folder / config).is_file():
        raise ModelError(f"{folder} is no checkpoint folder: it has no {config}")
    state: dict[str, Any] = {}
    try:
        for path in _files(folder, weights):
            state |= load_file(path) if path.suffix == ".safetensors" else _load_pickled(path)
    except (
        OSError,
        ValueError,
        RuntimeError,
        TypeError,
        LookupError,
        AttributeError,
        EOFError,
        SafetensorError,
    ) as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"{folder} cannot be read as a checkpoint: {reason}") from error
    return {name: tensor.detach() for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """The JSON object in the folder's file `name`.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        return dict(json.loads((folder / name).read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{folder}: {name} cannot be read: {error}") from error


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

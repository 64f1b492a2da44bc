"""A LoRA adapter as PEFT saves it: a diff of products already (Hu et al., arXiv 2106.09685)."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Head, Product, Task, TensorDiff
from edgediff.encoder.checkpoint import read_config, read_tensors
from edgediff.encoder.encoder import Encoder
from edgediff.encoder.heads import beside_heads, in_task_order, linear_head
from edgediff.errors import ModelError

_CONFIG, _WEIGHTS = "adapter_config.json", ("adapter_model.safetensors", "adapter_model.bin")
"""What PEFT calls an adapter's files."""
_PREFIX = "base_model.model."
_UNKNOWN = (
    "use_dora",
    "fan_in_fan_out",
    "use_qalora",
    "layer_replication",
    "trainable_token_indices",
    "alora_invocation_tokens",
)
"""Settings under which an adapter adds something else than two factors' product, or elsewhere."""
_STARTS = (True, False, None, "gaussian", "orthogonal", "eva", "mica")
"""What `init_lora_weights` may be. Any other start (pissa, olora, corda, lora_ga, loftq) moves a part of the
base into the factors, whose product is then no difference to the base; PEFT writes true once it has converted
such an adapter."""


@dataclass(frozen=True, eq=False)
class Adapter:
    """What an adapter changes.

    Attributes:
        products: of the weights of linear layers.
        tensors: the differences of parameters that it holds whole, such as biases.
        head: its head, if it is one linear layer of the task's size; else None.
        trusted: whether the order of the head's rows is taken on trust: PEFT saves no labels.
        extra: its tensors that neither the encoder nor its head has.
    """

    products: tuple[Product, ...]
    tensors: tuple[TensorDiff, ...]
    head: Head | None
    trusted: bool
    extra: tuple[str, ...]


def is_adapter(folder: str | Path) -> bool:
    """Whether PEFT saved it."""
    return (Path(folder) / _CONFIG).is_file()


def load_adapter(folder: str | Path, encoder: Encoder, task: Task) -> Adapter:
    """The LoRA adapter in `folder`, trained over `encoder` with any head.

    Raises:
        ModelError: it cannot be read, is no LoRA adapter, or does not fit the encoder.
    """
    state = read_tensors(Path(folder), _CONFIG, _WEIGHTS)
    config = _config(Path(folder))
    inside = f"{_PREFIX}{encoder.model.base_model_prefix}."
    inner = {
        name.removeprefix(inside).removeprefix(_PREFIX).replace(".base_layer.", "."): tensor.float()
        for name, tensor in state.items()
    }
    # Of the whole model that was adapted, with its head or without: PEFT's patterns mean these names.
    within = f"{encoder.model.base_model_prefix}." if any(name.startswith(inside) for name in state) else ""
    base, products, tensors = dict(encoder.arrays()), [], []
    for name in sorted(base):
        layer = name.removesuffix(".weight")
        factors = [f"{layer}.lora_{side}.weight" for side in "BA"]
        if inner.keys() >= set(factors):
            left, right = (inner.pop(factor) for factor in factors)
            left *= _scale(config, within + layer, len(right))
            products.append(_product(folder, name, base[name].shape, left.numpy(), right.numpy()))
        if (whole := inner.pop(name, None)) is not None:
            tensors.append(_difference(folder, name, base[name], whole.numpy()))
    if not products and not tensors:
        raise ModelError(f"{folder} changes no parameter of the base {encoder.name}")
    if left_over := [name for name in inner if ".lora_" in name or ".token_adapter." in name]:
        raise ModelError(f"{folder}: {left_over[0]!r} is no factor of a linear layer of {encoder.name}")
    head, trusted = in_task_order(linear_head(inner, encoder, task), task, folder, config)
    return Adapter(tuple(products), tuple(tensors), head, trusted, beside_heads(inner))


def _config(folder: Path) -> Mapping[str, Any]:
    config = read_config(folder, _CONFIG)
    if config.get("peft_type") != "LORA":
        raise ModelError(f"{folder} is an adapter of type {config.get('peft_type')!r:.80}, expected 'LORA'")
    for name in _UNKNOWN:
        if config.get(name):
            raise ModelError(f"{folder} is an adapter with {name}, which no product of two factors can hold")
    if (start := config.get("init_lora_weights", True)) not in _STARTS:
        raise ModelError(
            f"{folder} is an adapter started by init_lora_weights {start!r:.80}, which changes the base"
            f" itself: expected {', '.join(map(str, _STARTS))}"
        )
    _check_alphas(folder, config)
    return config


def _check_alphas(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse what `_scale` could not read."""
    patterns = config.get("alpha_pattern") or {}
    if not isinstance(patterns, Mapping):
        raise ModelError(f"{folder}: alpha_pattern is {patterns!r:.80}, expected alphas by pattern")
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ModelError(
                f"{folder}: alpha_pattern {pattern!r:.80} is no regular expression: {error}"
            ) from error
    for alpha in (config.get("lora_alpha", 1), *patterns.values()):
        if type(alpha) not in (int, float) or not math.isfinite(alpha):
            raise ModelError(f"{folder}: an alpha is {alpha!r:.80}, expected a number")


def _scale(config: Mapping[str, Any], layer: str, rank: int) -> float:
    """What PEFT multiplies a product by: alpha over the rank, or with rsLoRA over its root.

    `layer` is the layer's name in the model that was adapted.
    """
    patterns = config.get("alpha_pattern") or {}
    own = [alpha for pattern, alpha in patterns.items() if re.match(rf"(.*\.)?({pattern})$", layer)]
    alpha = float(own[0] if own else config.get("lora_alpha", rank))
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _product(
    folder: str | Path,
    name: str,
    shape: tuple[int, ...],
    left: NDArray[np.float32],
    right: NDArray[np.float32],
) -> Product:
    if len(shape) != 2 or (left.shape, right.shape) != ((shape[0], len(right)), (len(right), shape[1])):
        raise ModelError(
            f"{folder}: the factors of {name!r} have shapes {left.shape} and {right.shape}, the base {shape}"
        )
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise ModelError(f"{folder}: a factor of {name!r} holds a value that is not finite")
    return Product(name, shape, left, right)


def _difference(
    folder: str | Path, name: str, base: NDArray[np.float32], whole: NDArray[np.float32]
) -> TensorDiff:
    if whole.shape != base.shape:
        raise ModelError(f"{folder}: tensor {name!r} has shape {whole.shape}, the base has {base.shape}")
    difference = (whole - base).reshape(-1)
    if not np.isfinite(difference).all():
        raise ModelError(f"{folder}: tensor {name!r} holds a value that is not finite")
    changed = np.flatnonzero(difference)
    return TensorDiff(name, base.shape, changed, difference[changed])

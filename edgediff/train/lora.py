"""LoRA (Hu et al., arXiv 2106.09685) by the package PEFT, to compare with."""

from typing import Any

import torch
from torch import nn

from edgediff.train.stage import Parameters


def linear_weights(encoder: nn.Module) -> dict[str, str]:
    """The names of the weights of all linear layers, each with its layer's own name."""
    modules = encoder.named_modules()
    return {f"{name}.weight": name for name, module in modules if isinstance(module, nn.Linear)}


def attach_lora(encoder: nn.Module, parameters: Parameters, rank: int, seed: int) -> Parameters:
    """Put adapters on every linear layer whose weight is among `parameters`; give the adapters' parameters.

    The adapters' scale is the package's usual one, `alpha = 2 * rank`.
    """
    import peft

    layers = [layer for weight, layer in linear_weights(encoder).items() if weight in parameters]
    torch.manual_seed(seed)
    config: Any = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers)
    peft.inject_adapter_in_model(config, encoder)
    return {name: p for name, p in sorted(encoder.named_parameters()) if "lora_" in name}
